package feedback

import "encoding/binary"

// Sender is the SSRC that viewers report under, as they send no media.
const Sender = 1

// Block is the report on one stream (RFC 3550 section 6.4.1). The jitter is
// left out.
type Block struct {
	SSRC     uint32
	Lost     uint64 // since the stream began
	Fraction uint8  // of the packets since the last report, in 256ths
	Highest  uint32 // sequence number, with its turns
	Report   uint32 // the middle of the latest sender report's NTP time; 0 for none
	Delay    uint32 // since that came, in 65536ths of a second
}

// AppendReport appends a receiver report (RFC 3550 section 6.4.2) on at most 31
// streams. Without any it is an empty one.
func AppendReport(b []byte, blocks ...Block) []byte {
	start := len(b)
	b = append(b, 0x80|byte(len(blocks)), 201, 0, 0)
	b = binary.BigEndian.AppendUint32(b, Sender)
	for _, k := range blocks {
		b = binary.BigEndian.AppendUint32(b, k.SSRC)
		b = binary.BigEndian.AppendUint32(b, uint32(k.Fraction)<<24|uint32(min(k.Lost, 1<<23-1)))
		b = binary.BigEndian.AppendUint32(b, k.Highest)
		b = binary.BigEndian.AppendUint32(b, 0)
		b = binary.BigEndian.AppendUint32(b, k.Report)
		b = binary.BigEndian.AppendUint32(b, k.Delay)
	}
	return finish(b, start)
}

// AppendKeyframeRequest appends a picture loss indication (RFC 4585 section
// 6.3.1) on the video of ssrc.
func AppendKeyframeRequest(b []byte, ssrc uint32) []byte {
	b = append(b, 0x80|1, 206, 0, 2)
	b = binary.BigEndian.AppendUint32(b, Sender)
	return binary.BigEndian.AppendUint32(b, ssrc)
}

// SenderReports calls fn for each sender report in a compound packet of a
// server, with the middle of its NTP time.
func SenderReports(b []byte, fn func(ssrc, middle uint32)) {
	for len(b) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if size > len(b) {
			return
		}
		if b[1] == 200 && size >= 28 {
			fn(binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[10:]))
		}
		b = b[size:]
	}
}
