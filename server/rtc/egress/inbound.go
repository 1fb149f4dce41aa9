package egress

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/rtc/feedback"
	"github.com/pion/srtp/v3"
)

// maxSenders bounds the SSRCs that a viewer reports from: one for each medium
// is usual. The context keeps a state for each.
const maxSenders = 16

var (
	errEarly   = errors.New("SRTCP before the handshake is done")
	errShort   = errors.New("too short for SRTCP")
	errSenders = errors.New("too many SSRCs")
)

// inbound opens a viewer's SRTCP and bounds it. It is locked because a viewer
// can be heard over the socket and over TURN at once, which are two goroutines.
type inbound struct {
	// guarded by mu
	mu      sync.Mutex
	context *srtp.Context     // nil until the handshake is done
	senders map[uint32]uint32 // SSRC → highest SRTCP index
	gate    feedback.Gate
}

func (in *inbound) use(c *srtp.Context) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.context, in.senders = c, map[uint32]uint32{}
}

// open decrypts a packet in place, and tells how many packets the viewer has
// sent since the one before: what is above the bound is dropped before it costs
// a decryption, but the SRTCP index that each carries (RFC 3711 section 3.4)
// counts them, and cannot be forged. Only an SSRC whose packet was authentic is
// remembered.
func (in *inbound) open(b []byte, now time.Time) (plain []byte, sent int, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.context == nil {
		return nil, 0, errEarly
	}
	if len(b) < 8 {
		return nil, 0, errShort
	}
	ssrc := binary.BigEndian.Uint32(b[4:])
	before, known := in.senders[ssrc]
	if !known && len(in.senders) == maxSenders {
		return nil, 0, errSenders
	}
	if err := in.gate.Admit(known, now); err != nil {
		return nil, 0, err
	}
	plain, err = in.context.DecryptRTCP(b[:0], b, nil)
	in.gate.Opened(err == nil)
	if err != nil {
		return nil, 0, err
	}
	index := indexOf(b, len(plain))
	if !known || index > before {
		in.senders[ssrc] = index
		sent = int(index - before)
	}
	if !known { // which may have counted before
		sent = 1
	}
	return plain, sent, nil
}

// indexOf returns the SRTCP index of a packet that was n bytes when it was
// plain: at the end with AEAD (RFC 7714 section 9.2), else before the tag.
func indexOf(b []byte, n int) uint32 {
	const aead = 16 + 4 // tag and index
	at := n
	if len(b)-n == aead {
		at = len(b) - 4
	}
	return binary.BigEndian.Uint32(b[at:]) & 0x7fffffff
}

// judge is Judge of the gate.
func (in *inbound) judge(d feedback.Demand, now time.Time) (keyframe, abusive bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.gate.Judge(d, now)
}
