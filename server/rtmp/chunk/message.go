// Package chunk is RTMP's transport (Adobe's RTMP 1.0, sections 5.2 to 5.4):
// the handshake, and messages cut into chunks. Sizes and numbers of what a
// peer sends are bounded, and memory is taken only as bytes come. It knows
// nothing of what the messages say.
package chunk

// Types of messages.
const (
	SetChunkSize  = 1
	Abort         = 2
	Acknowledge   = 3
	UserControl   = 4
	WindowAckSize = 5
	PeerBandwidth = 6
	Audio         = 8
	Video         = 9
	DataAMF3      = 15
	CommandAMF3   = 17
	DataAMF0      = 18
	CommandAMF0   = 20
	Aggregate     = 22
)

// Message is one message, whole.
type Message struct {
	Type   byte
	Stream uint32 // message stream; 0 is the connection itself
	Time   uint32 // ms, wraps
	Body   []byte // not shared: the receiver may keep it
}
