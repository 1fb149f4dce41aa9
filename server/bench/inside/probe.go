package inside

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
)

// probe is a viewer that reads. It notes, for each measured frame, the time
// from its last packet's way into the hub to that packet's arrival.
type probe struct {
	// set before the first packet
	client *client.Client

	mu sync.Mutex
	// guarded by mu
	measured int // packets of measured frames
	broken   int // that could not be decrypted
	ordinary []time.Duration
	keys     []time.Duration
}

// Packet takes what comes (client.Handler).
func (p *probe) Packet(b []byte, arrived int64) {
	if client.IsRTCP(b) {
		return
	}
	plain, err := p.client.OpenRTP(b[:0], b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.broken++
		return
	}
	if plain[1]&0x7f != client.Video {
		return
	}
	payload := payloadOf(plain)
	if len(payload) < stampAt+stampSize {
		p.broken++
		return
	}
	s := readStamp(payload[stampAt:])
	if !s.measured {
		return
	}
	p.measured++
	if marker := plain[1]&0x80 != 0; !marker {
		return
	}
	took := time.Duration(arrived - s.written)
	if s.keyframe {
		p.keys = append(p.keys, took)
	} else {
		p.ordinary = append(p.ordinary, took)
	}
}

// payloadOf returns what follows the header and its extension.
func payloadOf(b []byte) []byte {
	at := 12 + 4*int(b[0]&0x0f)
	if b[0]&0x10 != 0 && len(b) >= at+4 {
		at += 4 + 4*int(binary.BigEndian.Uint16(b[at+2:]))
	}
	return b[min(at, len(b)):]
}

// reading is what a probe has measured since the last take.
type reading struct {
	measured, broken int
	ordinary, keys   []time.Duration
}

func (p *probe) take() reading {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := reading{p.measured, p.broken, p.ordinary, p.keys}
	p.measured, p.broken, p.ordinary, p.keys = 0, 0, nil, nil
	return r
}

// and adds what came after r.
func (r reading) and(o reading) reading {
	return reading{
		r.measured + o.measured, r.broken + o.broken,
		append(r.ordinary, o.ordinary...), append(r.keys, o.keys...),
	}
}
