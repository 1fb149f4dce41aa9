package egress

import (
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/pion/srtp/v3"
)

// maxSenders bounds the SSRCs that a viewer reports from: one for each medium
// is usual. The context keeps a state for each.
const maxSenders = 16

var (
	errEarly   = errors.New("SRTCP before the handshake is done")
	errShort   = errors.New("too short for SRTCP")
	errSenders = errors.New("too many SSRCs")
	errFlood   = errors.New("too many SRTCP packets")
	errForged  = errors.New("too many SRTCP packets that fail authentication")
)

// inbound opens a viewer's SRTCP and bounds it. It is locked because a viewer
// can be heard over the socket and over TURN at once, which are two goroutines.
type inbound struct {
	// guarded by mu
	mu        sync.Mutex
	context   *srtp.Context // nil until the handshake is done
	senders   map[uint32]uint32
	genuine   bucket // packets that proved authentic
	forged    bucket // packets that did not
	keyframes bucket
	conduct   conduct
}

func (in *inbound) use(c *srtp.Context) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.context, in.senders = c, map[uint32]uint32{} // SSRC → highest SRTCP index
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
	if err := in.admit(known, now); err != nil {
		return nil, 0, err
	}
	plain, err = in.context.DecryptRTCP(b[:0], b, nil)
	if err != nil {
		in.forged.spent++
		return nil, 0, err
	}
	in.genuine.spent++
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

// admit decides what is worth a decryption. Whoever forges the viewer's address
// without having seen its packets does not know their SSRC either: such packets
// leave half of the bound to those of SSRCs that are known, and so never keep
// the viewer's own from being heard.
func (in *inbound) admit(known bool, now time.Time) error {
	if !known && len(in.senders) == maxSenders {
		return errSenders
	}
	forged := forgedRate()
	left := in.forged.left(forged, now)
	if left < 1 || !known && left < forged.burst/2 {
		return errForged
	}
	if in.genuine.left(feedbackRate(), now) < 1 {
		return errFlood
	}
	return nil
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

// judge takes what a packet asks for: it tells whether a keyframe is to be
// asked for, and whether the viewer has asked for too much for too long.
func (in *inbound) judge(d demand, now time.Time) (keyframe, abusive bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	keyframe = d.keyframes > 0 && in.keyframes.take(keyframeRate(), now)
	return keyframe, in.conduct.abusive(d, now)
}
