package egress

import (
	"math/rand/v2"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/heliograph/heliograph/server/seqmap"
)

const (
	maxHoles = 64       // packets lost upstream that a lane waits for
	rtxShare = 0.15     // of what was sent may be sent again
	rtxFloor = 64 << 10 // bytes that may always be sent again
)

// lane is one track on its way to one viewer. The shard owns it.
type lane struct {
	// set at construction
	kind     media.Kind
	payloads []payload
	ssrc     uint32

	transportID uint8 // of the header extension with transport-wide numbers, 1 to 14; 0 for none

	track   *hub.Track // nil until the stream has one of this kind
	payload payload    // chosen for the codec of the track
	codec   media.Codec
	mute    bool // the viewer lacks the codec the track has now

	next      uint64 // number in the ring of the packet to send next
	waiting   bool   // for a keyframe
	notBefore uint64 // where the keyframe may begin
	asking    asking
	numbers   seqmap.Map
	holes     []uint64 // passed without being there, may come late
	stretch   stretch
	history   history
	pace      pace // of video

	packets, octets uint32 // for sender reports
	rtx             rtx
}

// rtx is how packets are sent again (RFC 4588).
type rtx struct {
	ssrc  uint32 // set at construction
	next  uint64 // extended number of the next
	bytes int    // that may still be sent again
}

// stretch is what was sent since a lane last began: under one payload type,
// with timestamps made in one way. Only such packets are sent again: another
// header would put two packets under one SRTP index, which gives the key of
// AES-GCM's tags away (RFC 7714 section 11).
type stretch struct {
	first uint64 // number in the ring of its first packet
	live  uint64 // packets before this one were history when it began
}

func newLane(s offer.Section) *lane {
	return &lane{
		kind: s.Kind, payloads: payloadsOf(s), ssrc: rand.Uint32(),
		transportID: s.TransportCC,
		rtx:         rtx{ssrc: rand.Uint32(), next: firstNumber(), bytes: rtxFloor},
	}
}

// repairs tells whether retransmissions may be sent on an SSRC of their own.
func (l *lane) repairs() bool {
	for _, p := range l.payloads {
		if p.rtx != 0 {
			return true
		}
	}
	return false
}

// use points the lane at a track and its codec.
func (l *lane) use(t *hub.Track) {
	c := t.Codec()
	if l.track == t && l.codec == c {
		return
	}
	first := l.track != t
	l.track, l.codec = t, c
	p, ok := match(l.payloads, c)
	l.payload, l.mute = p, !ok
	l.waiting = l.kind == media.Video
	l.holes = l.holes[:0]
	if first {
		l.next, l.notBefore = t.Ring().Head(), 0
		l.numbers.Forget()
	} else {
		l.notBefore = l.next
	}
	l.stretch, l.history = stretch{first: l.next}, history{}
	if first && l.kind == media.Audio {
		l.numbers.Start(l.next, firstNumber())
	}
}

// drop stops sending: the viewer lacks what the stream has now.
func (l *lane) drop() { l.track, l.mute = nil, true }

// firstNumber is below 2^15, so that early losses do not meet the wrap of the
// 16-bit number (RFC 3711 section 3.3.1).
func firstNumber() uint64 { return uint64(rand.Uint32N(1 << 15)) }

// begin leaves waiting when the ring holds a keyframe to start from. Otherwise
// it asks the source for one.
func (l *lane) begin(now time.Time) bool {
	r := l.track.Ring()
	k, ok := r.Keyframe()
	if !ok || k < l.notBefore {
		if l.asking.due(now) {
			l.track.RequestKeyframe(0)
		}
		return false
	}
	l.asking.rewinds.begin(now)
	l.replay(k, history{catching: true})
	return true
}

// replay sends what the ring holds from a keyframe on.
func (l *lane) replay(keyframe uint64, h history) {
	l.waiting = false
	l.goOn(keyframe)
	l.stretch, l.history = stretch{first: keyframe, live: l.track.Ring().Head()}, h
}

// goOn makes a packet of the ring the next to be sent, whatever came before; the
// viewer's numbers go on without a gap.
func (l *lane) goOn(next uint64) {
	l.next = next
	l.holes = l.holes[:0]
	l.numbers.Start(next, firstNumber())
}

// fellBehind makes the lane wait for the next keyframe.
func (l *lane) fellBehind(now time.Time) {
	if l.kind == media.Video {
		l.waiting, l.notBefore = true, l.track.Ring().Head()
		l.asking.fellBehind(now)
		return
	}
	l.goOn(l.track.Ring().Head())
}

// mostWait is how long live packets may wait for a path that is full.
const mostWait = 1200 * time.Millisecond

// late tells whether the next packet has waited so long that a keyframe is the
// better way to go on. History is not late: it was old when the viewer came.
func (l *lane) late(now time.Time) bool {
	if l.next < l.stretch.live {
		return false
	}
	p := l.track.Ring().Get(l.next)
	return p != nil && now.UnixNano()-p.Arrival > int64(mostWait)
}

// missed notes a packet that was not there when its turn came.
func (l *lane) missed(seq uint64) {
	if len(l.holes) < maxHoles {
		l.holes = append(l.holes, seq)
	}
}

// maxPadding is how many bytes a packet may grow by to be as long as its
// neighbours. Browsers cut a frame into parts that differ by one.
const maxPadding = 8

// level looks at the packets from first on, before limit, that go into one
// train when the shorter ones are padded to the length of the longest: it
// returns that length, of the payload, and the number after the last of them. A
// lane that repeats packets exactly as they were is never padded.
func (l *lane) level(first, limit uint64) (size int, until uint64) {
	if l.payload.rtx == 0 {
		return 0, limit
	}
	r := l.track.Ring()
	shortest := 0
	limit = min(limit, first+trainSize)
	for until = first; until < limit; until++ {
		p := r.Get(until)
		if p == nil {
			continue
		}
		n := len(p.Payload)
		if size == 0 {
			size, shortest = n, n
		}
		if max(size, n)-min(shortest, n) > maxPadding {
			return size, until
		}
		size, shortest = max(size, n), min(shortest, n)
	}
	return size, until
}

// earn adds to what may be sent again.
func (l *lane) earn(bytes int) {
	l.rtx.bytes = min(l.rtx.bytes+int(float64(bytes)*rtxShare), 4*rtxFloor)
}
