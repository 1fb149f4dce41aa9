package bench

import (
	"encoding/binary"
	"time"
)

// What a browser sends back, and how often.
const (
	reportEvery   = time.Second
	feedbackEvery = 100 * time.Millisecond
	consentEvery  = 5 * time.Second
)

// reporterSSRC is the SSRC that viewers report under, as they send no media.
const reporterSSRC = 1

// senderReport is what the latest sender report of a stream said.
type senderReport struct {
	middle  uint32 // the middle of its NTP time
	arrived int64  // ns of Unix time
}

// sentBack counts what a viewer told the server since the last mark.
type sentBack struct {
	reports, feedback uint64
}

// noteSenderReport takes a decrypted compound packet of the server's.
func (r *receiver) noteSenderReport(b []byte, arrived int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(b) >= 4 {
		size := 4 * (int(binary.BigEndian.Uint16(b[2:])) + 1)
		if size > len(b) {
			return
		}
		if b[1] == 200 && size >= 28 {
			sr := senderReport{middle: binary.BigEndian.Uint32(b[10:]), arrived: arrived}
			switch binary.BigEndian.Uint32(b[4:]) {
			case r.video.ssrc:
				r.video.sr = sr
			case r.audio.ssrc:
				r.audio.sr = sr
			}
		}
		b = b[size:]
	}
}

// appendReport appends a receiver report on both streams (RFC 3550 6.4.2).
func (r *receiver) appendReport(b []byte, now int64) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := len(b)
	b = append(b, 0x80, 201, 0, 0)
	b = binary.BigEndian.AppendUint32(b, reporterSSRC)
	for _, s := range []*sequence{&r.video, &r.audio} {
		if s.started {
			b[start]++
			b = s.appendBlock(b, now)
		}
	}
	r.sent.reports++
	return finishRTCP(b, start)
}

// appendBlock appends the report block of one stream. The jitter is left out.
func (s *sequence) appendBlock(b []byte, now int64) []byte {
	c := s.all()
	var fraction uint64
	if c.Lost > s.told.Lost && c.Expected > s.told.Expected {
		fraction = min(255, (c.Lost-s.told.Lost)<<8/(c.Expected-s.told.Expected))
	}
	s.told = c
	b = binary.BigEndian.AppendUint32(b, s.ssrc)
	b = binary.BigEndian.AppendUint32(b, uint32(fraction)<<24|uint32(min(c.Lost, 1<<23-1)))
	b = binary.BigEndian.AppendUint32(b, uint32(s.top-1<<16))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, s.sr.middle)
	delay := uint32(0)
	if s.sr.middle != 0 {
		delay = uint32((now - s.sr.arrived) << 16 / int64(time.Second))
	}
	return binary.BigEndian.AppendUint32(b, delay)
}

// appendFeedback appends transport-wide feedback, if the server numbers its
// packets. A server that did not agree to reduced size gets it behind an empty
// report (RFC 5506).
func (r *receiver) appendFeedback(b []byte, reduced bool) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := len(b)
	if !reduced {
		b = append(b, 0x80, 201, 0, 1)
		b = binary.BigEndian.AppendUint32(b, reporterSSRC)
	}
	before := len(b)
	if b = r.feedback.appendTo(b, r.video.ssrc); len(b) == before {
		return b[:start]
	}
	r.sent.feedback++
	return b
}

// keyframeRequest is a picture loss indication (RFC 4585 section 6.3.1).
func keyframeRequest(ssrc uint32) []byte {
	b := []byte{0x80 | 1, 206, 0, 2}
	b = binary.BigEndian.AppendUint32(b, reporterSSRC)
	return binary.BigEndian.AppendUint32(b, ssrc)
}
