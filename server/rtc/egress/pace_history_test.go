package egress

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// film is a stream of 30 frames a second.
type film struct {
	frame, keyframe int // packets
	gop             int // frames from one keyframe to the next
}

// cinema shows a film in simulated time to somebody behind a narrow link, whose
// queue drops what it has no room for. Every 100 ms the viewer reports on the path,
// as browsers do.
type cinema struct {
	*bench
	film   film
	begun  time.Time
	now    time.Time
	frames int

	viewer *Viewer
	joined time.Time
	total  uint64            // packets sent
	stamps map[uint64]uint32 // of each packet when it was sent
	last   uint32            // of these

	rate     float64              // of the link, bit/s
	free     time.Time            // when the last packet has left the queue
	arrivals map[uint16]time.Time // by transport-wide number
	untold   []uint16
	dropped  int

	first, end   time.Time     // when the first frame was there, and when the viewer had caught up
	origin       uint32        // timestamp of the first frame
	late, sooner time.Duration // most by which a frame came later, and sooner, than its timestamp says
}

const (
	payloadSize = 1200
	queueSize   = 64_000
	oneWay      = 20 * time.Millisecond
)

// open has a film run for some time before now.
func open(t *testing.T, f film, d time.Duration) *cinema {
	now := time.Now().Add(-d)
	c := &cinema{bench: newBench(t), film: f, begun: now, now: now, stamps: map[uint64]uint32{}, arrivals: map[uint16]time.Time{}}
	c.run(d)
	return c
}

func (c *cinema) run(d time.Duration) {
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(time.Millisecond) {
		if c.now.Sub(c.begun) >= time.Duration(c.frames)*time.Second/30 {
			c.shoot()
		}
		if c.viewer != nil {
			c.send()
		}
	}
}

// shoot writes one frame.
func (c *cinema) shoot() {
	n := c.film.frame
	key := c.frames%c.film.gop == 0
	if key {
		n = c.film.keyframe
	}
	for i := range n {
		payload := make([]byte, payloadSize)
		if i == 0 {
			payload[0] = 0x10
		}
		if i > 0 || !key {
			payload[1] = 1
		}
		c.video.WritePacket(hub.Incoming{Seq: c.seq, Timestamp: uint32(c.frames) * 3000, Marker: i == n-1, Arrival: c.now, Payload: payload})
		c.seq++
	}
	c.frames++
}

// enter lets a viewer in, behind a link of some bit/s. It has no address before the
// shard has taken it, which would send at once by the real clock.
func (c *cinema) enter(offer string, rate float64) {
	socket, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(c.t, err)
	c.t.Cleanup(func() { _ = socket.Close() })
	sub, err := c.hub.Watch(context.Background(), watchGrant)
	require.NoError(c.t, err)
	c.rate, c.joined = rate, c.now
	c.viewer, _, err = c.shard.engine.Watch(sub, offered(c.t, offer))
	require.NoError(c.t, err)
	c.shard.add(c.viewer, newKeys().sealer(c.t))
	to := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	c.viewer.to.Store(&to)
}

func (c *cinema) lane() *lane { return c.viewer.lane(media.Video) }

// send has the shard serve the viewer, and carries what it sends.
func (c *cinema) send() {
	l := c.lane()
	c.shard.feed(c.shard.groups[c.viewer.sub.Stream()], c.viewer, c.now)
	c.viewer.flow.Show()
	total := c.viewer.Statistics().Packets
	for ; c.total < total; c.total++ {
		c.carry(l, l.track.Ring().Get(l.next-(total-c.total)))
	}
	if c.end.IsZero() && !l.history.catching {
		c.end = c.now
	}
	if c.viewer.flow.Tracked() && c.now.Sub(c.joined).Milliseconds()%100 == 60 {
		c.report()
	}
}

func (c *cinema) carry(l *lane, p *media.Packet) {
	stamp := l.history.stamp(p)
	require.GreaterOrEqual(c.t, int32(stamp-c.last), int32(0), "timestamps never go back")
	c.last, c.stamps[p.Seq] = stamp, stamp
	const size = payloadSize + headers
	if c.free.Before(c.now) {
		c.free = c.now
	}
	if c.free.Sub(c.now).Seconds()*c.rate/8+size > queueSize {
		c.dropped++
		return
	}
	c.free = c.free.Add(time.Duration(size * 8 / c.rate * float64(time.Second)))
	c.arrivals[uint16(c.total)] = c.free.Add(oneWay)
	c.untold = append(c.untold, uint16(c.total))
	if !p.Marker {
		return
	}
	if c.first.IsZero() {
		c.first, c.origin = c.free, stamp
	}
	off := c.free.Sub(c.first) - time.Duration(int32(stamp-c.origin))*time.Second/90_000
	c.late, c.sooner = max(c.late, off), max(c.sooner, -off)
}

// report tells the server what has arrived.
func (c *cinema) report() {
	n := 0
	for n < len(c.untold) && c.arrivals[c.untold[n]].Before(c.now.Add(-oneWay)) {
		n++
	}
	if n == 0 {
		return
	}
	const unit = 64 // ms, of the reference time
	first, last := c.untold[0], c.untold[n-1]
	c.untold = c.untold[n:]
	at := c.arrivals[first].UnixMilli() / unit
	p := &rtcp.TransportLayerCC{
		Header:             rtcp.Header{Type: rtcp.TypeTransportSpecificFeedback, Count: rtcp.FormatTCC},
		BaseSequenceNumber: first, PacketStatusCount: last - first + 1, ReferenceTime: uint32(at) & 0xffffff,
	}
	before := time.UnixMilli(at * unit)
	for number := first; number != last+1; number++ {
		status := rtcp.TypeTCCPacketNotReceived
		if when, ok := c.arrivals[number]; ok {
			status = rtcp.TypeTCCPacketReceivedLargeDelta
			delta := when.Sub(before).Microseconds() / 250 * 250
			before = before.Add(time.Duration(delta) * time.Microsecond)
			p.RecvDeltas = append(p.RecvDeltas, &rtcp.RecvDelta{Type: status, Delta: delta})
		}
		p.PacketChunks = append(p.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: status, RunLength: 1})
	}
	p.Header.Padding = len(p.PacketChunks)%2 != len(p.RecvDeltas)%2 // two bytes each
	p.Header.Length = uint16(p.MarshalSize()/4 - 1)
	b, err := p.Marshal()
	require.NoError(c.t, err)
	require.NoError(c.t, c.viewer.flow.Acknowledge(b[4:], c.now.UnixNano()))
}

// stable fails when a packet would be sent again with another timestamp.
func (c *cinema) stable() {
	for seq, stamp := range c.stamps {
		if p := c.lane().track.Ring().Get(seq); p != nil && seq >= c.lane().stretch.first {
			require.Equal(c.t, stamp, c.lane().history.stamp(p), "packet %d", seq)
		}
	}
}

// Whenever a viewer comes, and however large keyframes are: the queue of its link
// drops nothing, the picture is there soon and the viewer has caught up in a
// while; frames come as their timestamps say.
func TestNewcomerOverrunsNoQueue(t *testing.T) {
	t.Parallel()
	for _, f := range []film{{11, 104, 60}, {8, 60, 60}, {2, 12, 60}} {
		for _, megabits := range []float64{8, 10, 100} {
			for _, after := range []time.Duration{100, 1300, 1950} {
				t.Run(fmt.Sprintf("%v, %v Mbit/s, %v ms", f, megabits, int(after)), func(t *testing.T) {
					t.Parallel()
					c := open(t, f, 2*time.Second+after*time.Millisecond)
					c.enter(numbered(), megabits*1e6)
					c.run(1500 * time.Millisecond)
					require.Less(t, c.late, 200*time.Millisecond)
					require.Less(t, c.sooner, 200*time.Millisecond)
					require.False(t, c.end.IsZero(), "it has not caught up")
					c.run(3 * time.Second)
					c.stable()
					require.Zero(t, c.dropped)
					require.Less(t, c.first.Sub(c.joined), 250*time.Millisecond)
					require.InEpsilon(t, megabits*1e6, c.viewer.flow.Room(), 0.5)
					require.Zero(t, c.viewer.flow.Limit())
				})
			}
		}
	}
}

// Nothing is known of the path of who does not report on it.
func TestNewcomerWhoReportsNothing(t *testing.T) {
	t.Parallel()
	c := open(t, film{11, 104, 90}, 4*time.Second)
	c.enter(chromiumOffer, 8e6)
	c.run(1900 * time.Millisecond)
	require.Zero(t, c.dropped)
	require.False(t, c.lane().history.catching)
	c.stable()
}

// A path that carries less than the stream never catches up: each keyframe that
// comes is where it goes on.
func TestNewcomerBehindANarrowLink(t *testing.T) {
	t.Parallel()
	c := open(t, film{11, 40, 30}, 2900*time.Millisecond)
	c.enter(numbered(), 2.5e6)
	c.run(6 * time.Second)
	c.stable()
	newest := c.lane().track.Ring().Get(c.lane().next - 1)
	require.Less(t, c.now.UnixNano()-newest.Arrival, int64(2500*time.Millisecond))
}

func TestStreamAsItIs(t *testing.T) {
	t.Parallel()
	var h history
	p := &media.Packet{Seq: 7, Timestamp: 1234}
	require.EqualValues(t, 1234, h.first(p))
	require.EqualValues(t, 1234, h.stamp(p))
	require.EqualValues(t, 0xffffffff, earlier(0xffffffff, 3))
	require.EqualValues(t, 3, earlier(5, 3))
}

// A viewer that asks for a keyframe again and again, of a source that makes none
// on request, gets what came since the last one again: under new numbers, with
// timestamps that go on, and not more often than the stream itself would cost.
func TestViewerWithoutAPictureGetsTheLastKeyframeAgain(t *testing.T) {
	t.Parallel()
	for _, megabits := range []float64{8, 100} {
		t.Run(fmt.Sprintf("%v Mbit/s", megabits), func(t *testing.T) {
			t.Parallel()
			c := open(t, film{4, 30, 300}, 3*time.Second)
			c.enter(numbered(), megabits*1e6)
			c.run(2 * time.Second)
			l := c.lane()
			require.False(t, l.history.catching)
			before, key := l.next, l.stretch.first
			sent, ok := l.numbers.Out(before - 1)
			require.True(t, ok)
			c.shard.ask(c.viewer, c.now)
			c.run(100 * time.Millisecond)
			c.shard.ask(c.viewer, c.now)
			require.False(t, l.history.catching, "another may come")
			c.run(100 * time.Millisecond)
			c.shard.ask(c.viewer, c.now)
			require.Equal(t, key, l.next)
			number, ok := l.numbers.Out(key)
			require.True(t, ok)
			require.Greater(t, number, sent)
			_, ok = l.numbers.In(uint16(sent))
			require.False(t, ok, "a packet of before would not be the same again")

			c.run(2 * time.Second) // carry requires that no timestamp goes back
			require.False(t, l.history.catching)
			require.Greater(t, l.next, before)
			require.Zero(t, c.dropped)
			c.stable()
			for range 50 {
				c.shard.ask(c.viewer, c.now)
				c.run(100 * time.Millisecond)
				require.False(t, l.history.catching, "once in as long as it is, and only in the beginning")
			}
		})
	}
}

// A viewer's wishes may all come while it is still sent what came before it joined.
func TestViewerWithoutAPictureNeedNotCatchUpFirst(t *testing.T) {
	t.Parallel()
	c := open(t, film{10, 100, 300}, 5*time.Second)
	c.enter(numbered(), 8e6)
	c.run(200 * time.Millisecond)
	l := c.lane()
	c.shard.ask(c.viewer, c.now)
	c.run(200 * time.Millisecond)
	require.True(t, l.history.catching)
	key, before := l.stretch.first, l.next
	c.shard.ask(c.viewer, c.now)
	require.Equal(t, key, l.next)

	c.run(200 * time.Millisecond)
	require.True(t, l.history.catching)
	at := l.next
	c.shard.ask(c.viewer, c.now)
	require.Equal(t, at, l.next, "it has just begun again")
	c.run(6 * time.Second) // carry requires that no timestamp goes back
	require.False(t, l.history.catching)
	require.Greater(t, l.next, before)
	require.Zero(t, c.dropped)
	c.stable()
}

// A viewer whose path has changed lost what went the old way. It goes on from the
// last keyframe, whether it was sent that or not, and not with every change.
func TestMovedViewerGoesOnFromTheLastKeyframe(t *testing.T) {
	t.Parallel()
	c := open(t, film{4, 30, 60}, 3*time.Second)
	c.enter(numbered(), 20e6)
	c.run(1500 * time.Millisecond)
	l, to := c.lane(), c.viewer.to.Load()
	for _, away := range []time.Duration{0, 700 * time.Millisecond, 20 * time.Second} {
		if away > 0 {
			c.viewer.to.Store(nil)
			c.run(away)
			c.viewer.to.Store(to)
		}
		key, ok := l.track.Ring().Keyframe()
		require.True(t, ok)
		l.rewind(c.now)
		require.Equal(t, key, l.next)
		require.False(t, l.waiting)
		c.run(900 * time.Millisecond) // carry requires that no timestamp goes back
		require.False(t, l.history.catching)
		c.stable()
		at := l.next
		l.rewind(c.now)
		if away == 0 {
			require.Equal(t, at, l.next, "it has just begun again")
		}
		c.run(2 * time.Second)
	}
	require.Zero(t, c.dropped)
}
