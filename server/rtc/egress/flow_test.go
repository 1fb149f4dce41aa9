package egress

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// road is a path to a viewer in simulated time: packets leave it at its rate,
// and what has left is acknowledged every 100 ms.
type road struct {
	t       *testing.T
	f       flow
	now     int64
	delay   time.Duration   // of the way itself
	queue   []uint16        // numbers on their way
	ready   []time.Duration // when each has arrived, on the road's clock
	clock   time.Duration
	free    time.Duration // when the last packet has left the queue
	perByte time.Duration
	mute    bool // feedback gets lost
	count   uint8
}

func newRoad(t *testing.T, bitRate int64) *road {
	r := &road{t: t, now: time.Unix(1_790_000_000, 0).UnixNano(), delay: 20 * time.Millisecond, perByte: time.Duration(8 * int64(time.Second) / bitRate)}
	r.f.track()
	return r
}

// run sends at a bit rate for some time and returns after what time the viewer
// was behind, 0 for never.
func (r *road) run(bitRate int, d time.Duration) (behind time.Duration) {
	const size, step = 1000, 10 * time.Millisecond
	begin := r.clock
	due := 0.0
	for end := r.clock + d; r.clock < end; {
		for due += float64(bitRate) / 8 / size * step.Seconds(); due >= 1; due-- {
			r.free = max(r.free, r.clock) + size*r.perByte
			r.queue = append(r.queue, r.f.sent(size, r.now))
			r.ready = append(r.ready, r.free+r.delay)
		}
		r.clock += step
		r.now += int64(step)
		if r.clock%(100*time.Millisecond) == 0 {
			r.acknowledge()
		}
		if r.f.behind(r.now) && behind == 0 {
			behind = r.clock - begin
		}
	}
	return behind
}

// acknowledge has the viewer report on what has arrived.
func (r *road) acknowledge() {
	n := 0
	for n < len(r.queue) && r.ready[n] <= r.clock {
		n++
	}
	numbers, times := r.queue[:n], r.ready[:n]
	r.queue, r.ready = r.queue[n:], r.ready[n:]
	if n > 0 && !r.mute {
		r.take(r.report(numbers, times))
	}
}

func (r *road) take(b []byte) {
	a, err := parseArrivals(b)
	require.NoError(r.t, err)
	r.f.acknowledge(a, r.now)
}

// report writes feedback with pion's encoder: numbers rise, those between them
// are lost.
func (r *road) report(numbers []uint16, times []time.Duration) []byte {
	p := &rtcp.TransportLayerCC{
		Header:             rtcp.Header{Type: rtcp.TypeTransportSpecificFeedback, Count: rtcp.FormatTCC},
		BaseSequenceNumber: numbers[0], PacketStatusCount: numbers[len(numbers)-1] - numbers[0] + 1,
		ReferenceTime: uint32(times[0]/(64*time.Millisecond)) & 0xffffff, FbPktCount: r.count,
	}
	r.count++
	at, next := times[0]/(64*time.Millisecond)*(64*time.Millisecond), numbers[0]
	for i, n := range numbers {
		if lost := n - next; lost > 0 {
			p.PacketChunks = append(p.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketNotReceived, RunLength: lost})
		}
		p.PacketChunks = append(p.PacketChunks, &rtcp.RunLengthChunk{PacketStatusSymbol: rtcp.TypeTCCPacketReceivedLargeDelta, RunLength: 1})
		delta := (times[i] - at).Microseconds() / 250 * 250
		p.RecvDeltas = append(p.RecvDeltas, &rtcp.RecvDelta{Type: rtcp.TypeTCCPacketReceivedLargeDelta, Delta: delta})
		at += time.Duration(delta) * time.Microsecond
		next = n + 1
	}
	p.Header.Padding = len(p.PacketChunks)%2 != len(p.RecvDeltas)%2 // two bytes each
	p.Header.Length = uint16(p.MarshalSize()/4 - 1)
	b, err := p.Marshal()
	require.NoError(r.t, err)
	_, body, _, err := cut(b)
	require.NoError(r.t, err)
	return body
}

func TestSteadyPath(t *testing.T) {
	t.Parallel()
	for _, bitRate := range []int{100e3, 2e6, 20e6} {
		r := newRoad(t, 50e6)
		require.Zero(t, r.run(bitRate, 20*time.Second), "%d bit/s", bitRate)
		s := r.f.shown.get()
		require.InEpsilon(t, bitRate, s.BitRate, 0.05)
		require.Less(t, s.PathLost, 0.01)
		require.Less(t, s.DelayGrowth, 10*time.Millisecond)
		require.InEpsilon(t, r.f.next, s.Packets, 0.1)
		require.False(t, s.Heard.IsZero())
	}
}

func TestPathThatFills(t *testing.T) {
	t.Parallel()
	for _, bitRate := range []int{2e6, 10e6, 30e6} {
		r := newRoad(t, int64(bitRate/2))
		behind := r.run(bitRate, 8*time.Second)
		// Half of what is sent leaves the queue: after 3 s it holds 1.5 s.
		require.Greater(t, behind, 1400*time.Millisecond, "%d bit/s", bitRate)
		require.Less(t, behind, 4*time.Second, "%d bit/s", bitRate)
		require.Greater(t, r.f.shown.get().DelayGrowth, 500*time.Millisecond)
		require.InEpsilon(t, bitRate/2, r.f.shown.get().BitRate, 0.3)
		r.f.restart()
		require.False(t, r.f.behind(r.now))
	}
}

func TestViewerRecovers(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	require.NotZero(t, r.run(2e6, 4*time.Second))
	r.f.restart()
	r.run(40e3, 6*time.Second) // sound only, while the queue empties
	r.f.restart()
	require.Zero(t, r.run(800e3, 10*time.Second))
}

func TestFeedbackThatStops(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	require.Zero(t, r.run(1e6, 3*time.Second))
	r.mute = true
	behind := r.run(1e6, 3*time.Second)
	require.Greater(t, behind, patience)
	require.Less(t, behind, patience+500*time.Millisecond)
	r.f.restart()
	require.Zero(t, r.run(1e6, 10*time.Second), "without any feedback nobody knows")
	r.mute = false
	require.Zero(t, r.run(1e6, time.Second))
	r.mute = true
	require.NotZero(t, r.run(1e6, 3*time.Second))
}

func TestNoFeedbackNoJudgement(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	r.mute = true
	require.Zero(t, r.run(4e6, 20*time.Second))
	var untracked flow
	for i := range int64(1000) {
		require.EqualValues(t, i, untracked.sent(1200, i*int64(10*time.Millisecond)))
	}
	require.False(t, untracked.behind(int64(10*time.Second)))
	untracked.acknowledge(arrivals{count: 1, chunks: []byte{0x20, 1}, deltas: []byte{0}}, int64(10*time.Second))
	require.False(t, untracked.behind(int64(10*time.Second)))
}

// The last packet before a pause gets lost: nothing acknowledges it until the
// stream goes on.
func TestPauseIsNotAPathThatFills(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	r.run(1e6, 3*time.Second)
	r.acknowledge()
	r.f.sent(1000, r.now)
	for range 600 {
		r.now += int64(100 * time.Millisecond)
		require.False(t, r.f.behind(r.now))
	}
	r.f.sent(1000, r.now)
	require.False(t, r.f.behind(r.now))
	require.Zero(t, r.run(1e6, 10*time.Second))
}

func TestClockThatIsSet(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{-time.Hour, -100 * time.Millisecond, 200 * time.Millisecond, time.Hour} {
		r := newRoad(t, 10e6)
		require.Zero(t, r.run(1e6, 3*time.Second))
		r.now += int64(jump)
		require.Zero(t, r.run(1e6, 10*time.Second), jump)
	}
}

// 16-bit numbers and the viewer's clock wrap while packets are lost.
func TestNumbersWrap(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 100e6)
	r.f.next, r.f.acked = 1<<16-500, 1<<16-500
	r.clock = ((1<<24)*64*time.Millisecond - 3*time.Second).Truncate(100 * time.Millisecond)
	for range 50 {
		require.Zero(t, r.run(8e6, 200*time.Millisecond))
		if n := len(r.queue); n > 10 { // a tenth or so
			r.queue, r.ready = r.queue[10:], r.ready[10:]
		}
	}
	require.Greater(t, r.f.acked, uint64(1<<16))
	s := r.f.shown.get()
	require.Greater(t, s.PathLost, 0.02)
	require.Less(t, s.PathLost, 0.2)
	require.Less(t, s.DelayGrowth, 100*time.Millisecond)
}

func TestFeedbackReorderedAndTwice(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	var parts [][]byte
	for part := range 20 {
		var numbers []uint16
		var times []time.Duration
		for range 10 {
			numbers = append(numbers, r.f.sent(1000, r.now))
			times = append(times, time.Duration(part)*100*time.Millisecond)
			r.now += int64(10 * time.Millisecond)
		}
		parts = append(parts, r.report(numbers, times))
	}
	for i := 0; i < len(parts); i += 2 {
		r.take(parts[i+1])
		r.take(parts[i])
		r.take(parts[i+1])
		require.False(t, r.f.behind(r.now))
	}
	require.EqualValues(t, 200, r.f.acked)
	require.EqualValues(t, 200, r.f.meter.count, "each packet arrives once")
}

// Numbers that were never sent are not believed.
func TestForgedFeedback(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	for range 10 {
		r.f.sent(1000, r.now)
	}
	for _, a := range []arrivals{
		{base: 10, count: 5, chunks: []byte{0x20, 5}, deltas: make([]byte, 5)},              // the future
		{base: 1 << 15, count: 5, chunks: []byte{0x20, 5}, deltas: make([]byte, 5)},         // the far future
		{base: 65_530, count: 5, chunks: []byte{0x20, 5}, deltas: make([]byte, 5)},          // before the first
		{base: 0, count: 8000, chunks: []byte{0x1f, 0xff}},                                  // nothing has come
		{base: 65_000, count: 1000, chunks: []byte{0x23, 0xe8}, deltas: make([]byte, 1000)}, // some of them
	} {
		r.f.acknowledge(a, r.now)
	}
	require.EqualValues(t, 10, r.f.acked)
	require.EqualValues(t, 10, r.f.meter.count)
	require.EqualValues(t, 10, r.f.meter.top)
}

func TestReceiverReports(t *testing.T) {
	t.Parallel()
	var f flow
	f.sent(1000, 1)
	f.reported(2900*time.Millisecond, 0)
	require.False(t, f.behind(1))
	f.reported(3100*time.Millisecond, 0)
	require.True(t, f.behind(1))
	f.restart()
	require.False(t, f.behind(1))
	f.reported(0, 200)
	require.False(t, f.behind(1), "once is no reason")
	f.reported(0, 100)
	f.reported(0, 200)
	require.False(t, f.behind(1))
	f.reported(0, 255)
	require.True(t, f.behind(1))
	f.restart()
	f.reported(0, 255)
	require.False(t, f.behind(1))

	r := newRoad(t, 10e6)
	r.run(1e6, time.Second)
	r.f.reported(time.Minute, 0)
	require.False(t, r.f.behind(r.now), "feedback on each packet knows better")
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sent := time.Unix(1_790_000_000, 900_000_000)
	lsr := uint32(ntp(sent) >> 16)
	for name, c := range map[string]struct {
		r    report
		trip time.Duration
		ok   bool
	}{
		"no sender report came": {report{came: sent}, 0, false},
		"80 ms":                 {report{came: sent.Add(580 * time.Millisecond), lsr: lsr, dlsr: 65_536 / 2}, 80 * time.Millisecond, true},
		"rounded below 0":       {report{came: sent.Add(500 * time.Millisecond), lsr: lsr, dlsr: 65_536/2 + 3}, 0, true},
		"from the future":       {report{came: sent, lsr: lsr + 1<<20}, 0, false},
		"an hour":               {report{came: sent.Add(time.Hour), lsr: lsr}, 0, false},
	} {
		trip, ok := c.r.roundTrip()
		require.Equal(t, c.ok, ok, name)
		if ok {
			require.InDelta(t, c.trip, trip, float64(time.Millisecond), name)
		}
	}
}

func TestFlowAllocatesNothing(t *testing.T) {
	r := newRoad(t, 10e6)
	r.run(2e6, time.Second)
	a := arrivals{base: uint16(r.f.next - 20), count: 20, chunks: []byte{0x20, 20}, deltas: make([]byte, 20)}
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.now += int64(time.Millisecond)
		r.f.sent(1200, r.now)
		r.f.behind(r.now)
		r.f.acknowledge(a, r.now)
	}))
}

func BenchmarkFlowSent(b *testing.B) {
	var f flow
	f.track()
	now := int64(0)
	for b.Loop() {
		now += int64(time.Millisecond)
		f.sent(1200, now)
	}
}
