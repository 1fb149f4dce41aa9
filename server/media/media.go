// Package media holds the values that travel through the server: codecs, RTP
// packets and frames. It knows no protocol, no stream and no network.
package media

// Kind tells audio from video.
type Kind uint8

// The kinds of a track.
const (
	Audio Kind = iota + 1
	Video
)

// String returns "audio" or "video", as in an SDP m-line.
func (k Kind) String() string {
	switch k {
	case Audio:
		return "audio"
	case Video:
		return "video"
	}
	return "unknown"
}

// Names of the codecs, spelled as in the rtpmap of an SDP.
const (
	H264 = "H264"
	H265 = "H265"
	VP8  = "VP8"
	VP9  = "VP9"
	AV1  = "AV1"
	Opus = "opus"
	G722 = "G722"
	PCMU = "PCMU"
	PCMA = "PCMA"

	// AAC is MPEG4-GENERIC in an SDP (RFC 3640). The units of its frames are
	// raw access units without ADTS headers, each 1,024 ticks after the one
	// before.
	AAC = "AAC"
	// MJPEG (RFC 2435) is carried nowhere; it has a name so that one can say so.
	MJPEG = "JPEG"
)

// Codec says how the payload of a track is coded.
type Codec struct {
	Name      string // one of the names above
	ClockRate uint32 // ticks of the RTP timestamp per second
	Channels  uint16 // audio only; 0 where the SDP names none
	Fmtp      string // format parameters as in the SDP, "" for none
}

// Packet is one RTP packet without its transport header. It is read-only once
// a track has taken it, and may be read by any number of goroutines.
type Packet struct {
	Seq       uint64 // extended sequence number on the stream's own line; never wraps
	Timestamp uint32 // RTP timestamp on the stream's own line, in ticks of the codec's clock
	Arrival   int64  // when the server got it, in ns of its monotonic clock
	Payload   []byte
	Marker    bool
	Keyframe  bool // belongs to a frame that decodes without earlier ones
}

// Frame is one access unit: what a decoder takes at once.
type Frame struct {
	Timestamp uint32   // as Packet.Timestamp
	Arrival   int64    // as Packet.Arrival, of the frame's first packet
	Units     [][]byte // H264, H265: NAL units; AV1: OBUs; AAC: access units; other codecs: the frame, in one piece
	Keyframe  bool
}
