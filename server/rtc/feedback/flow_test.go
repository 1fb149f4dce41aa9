package feedback

import (
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// road is a path to a viewer in simulated time: packets leave it at its rate,
// and what has left is acknowledged every 100 ms.
type road struct {
	t       *testing.T
	f       Flow
	now     int64
	delay   time.Duration   // of the way itself
	queue   []uint16        // numbers on their way
	ready   []time.Duration // when each has arrived, on the road's clock
	clock   time.Duration
	free    time.Duration // when the last packet has left the queue
	perByte time.Duration
	room    time.Duration // that the queue holds; 0 for no bound
	lose    int           // one packet of so many, whatever the queue; 0 for none
	mute    bool          // feedback gets lost
	count   uint8

	sent, dropped int
}

func newRoad(t *testing.T, bitRate int64) *road {
	r := &road{t: t, now: time.Unix(1_790_000_000, 0).UnixNano(), delay: 20 * time.Millisecond, perByte: time.Duration(8 * int64(time.Second) / bitRate)}
	r.f.Track()
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
			number := r.f.Sent(size, r.now)
			r.sent++
			if r.room > 0 && r.free-r.clock > r.room || r.lose > 0 && r.sent%r.lose == 0 {
				r.dropped++
				continue
			}
			r.free = max(r.free, r.clock) + size*r.perByte
			r.queue = append(r.queue, number)
			r.ready = append(r.ready, r.free+r.delay)
		}
		r.clock += step
		r.now += int64(step)
		if r.clock%(100*time.Millisecond) == 0 {
			r.acknowledge()
		}
		if r.f.Behind(r.now) && behind == 0 {
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
	require.NoError(r.t, r.f.Acknowledge(b, r.now))
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
		r.f.Restart()
		require.False(t, r.f.Behind(r.now))
	}
}

func TestViewerRecovers(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 1e6)
	require.NotZero(t, r.run(2e6, 4*time.Second))
	r.f.Restart()
	r.run(40e3, 6*time.Second) // sound only, while the queue empties
	r.f.Restart()
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
	r.f.Restart()
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
	var untracked Flow
	for i := range int64(1000) {
		require.EqualValues(t, i, untracked.Sent(1200, i*int64(10*time.Millisecond)))
	}
	require.False(t, untracked.Behind(int64(10*time.Second)))
	require.NoError(t, untracked.Acknowledge(feedbackBody(0, 1, []uint16{1<<13 | 1}, 1), int64(10*time.Second)))
	require.False(t, untracked.Behind(int64(10*time.Second)))
}

// The last packet before a pause gets lost: nothing acknowledges it until the
// stream goes on.
func TestPauseIsNotAPathThatFills(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	r.run(1e6, 3*time.Second)
	r.acknowledge()
	r.f.Sent(1000, r.now)
	for range 600 {
		r.now += int64(100 * time.Millisecond)
		require.False(t, r.f.Behind(r.now))
	}
	r.f.Sent(1000, r.now)
	require.False(t, r.f.Behind(r.now))
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
			numbers = append(numbers, r.f.Sent(1000, r.now))
			times = append(times, time.Duration(part)*100*time.Millisecond)
			r.now += int64(10 * time.Millisecond)
		}
		parts = append(parts, r.report(numbers, times))
	}
	for i := 0; i < len(parts); i += 2 {
		r.take(parts[i+1])
		r.take(parts[i])
		r.take(parts[i+1])
		require.False(t, r.f.Behind(r.now))
	}
	require.EqualValues(t, 200, r.f.acked)
	require.EqualValues(t, 200, r.f.meter.count, "each packet arrives once")
}

// Numbers that were never sent are not believed.
func TestForgedFeedback(t *testing.T) {
	t.Parallel()
	r := newRoad(t, 10e6)
	for range 10 {
		r.f.Sent(1000, r.now)
	}
	for _, b := range [][]byte{
		feedbackBody(10, 5, []uint16{1<<13 | 5}, 5),              // the future
		feedbackBody(1<<15, 5, []uint16{1<<13 | 5}, 5),           // the far future
		feedbackBody(65_530, 5, []uint16{1<<13 | 5}, 5),          // before the first
		feedbackBody(0, 8000, []uint16{8191}, 0),                 // nothing has come
		feedbackBody(65_000, 1000, []uint16{1<<13 | 1000}, 1000), // some of them
	} {
		r.take(b)
	}
	require.EqualValues(t, 10, r.f.acked)
	require.EqualValues(t, 10, r.f.meter.count)
	require.EqualValues(t, 10, r.f.meter.top)
}

func TestReceiverReports(t *testing.T) {
	t.Parallel()
	var f Flow
	f.Sent(1000, 1)
	f.Reported(Report{Lost: 0}, 2900*time.Millisecond, 90_000)
	require.False(t, f.Behind(1))
	f.Reported(Report{Lost: 0}, 3100*time.Millisecond, 90_000)
	require.True(t, f.Behind(1))
	f.Restart()
	require.False(t, f.Behind(1))
	highest := uint16(65_500)
	report := func(lost uint8, packets uint16) {
		highest += packets
		f.Reported(Report{Lost: lost, Highest: highest}, 0, 90_000)
	}
	report(200, 20)
	require.False(t, f.Behind(1), "once is no reason")
	report(100, 20)
	report(200, 20)
	require.False(t, f.Behind(1))
	report(255, 20)
	require.True(t, f.Behind(1))
	f.Restart()
	report(255, 20)
	require.False(t, f.Behind(1))
	report(0, 20)
	for range 100 {
		report(255, 2)
		require.False(t, f.Behind(1), "of two packets both are lost now and then")
	}

	r := newRoad(t, 10e6)
	r.run(1e6, time.Second)
	r.f.Reported(Report{Lost: 0}, time.Minute, 90_000)
	require.False(t, r.f.Behind(r.now), "feedback on each packet knows better")
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	sent := time.Unix(1_790_000_000, 900_000_000)
	lsr := uint32(media.NTP(sent) >> 16)
	for name, c := range map[string]struct {
		r    Report
		trip time.Duration
		ok   bool
	}{
		"no sender report came": {Report{Came: sent}, 0, false},
		"80 ms":                 {Report{Came: sent.Add(580 * time.Millisecond), lsr: lsr, dlsr: 65_536 / 2}, 80 * time.Millisecond, true},
		"rounded below 0":       {Report{Came: sent.Add(500 * time.Millisecond), lsr: lsr, dlsr: 65_536/2 + 3}, 0, true},
		"from the future":       {Report{Came: sent, lsr: lsr + 1<<20}, 0, false},
		"an hour":               {Report{Came: sent.Add(time.Hour), lsr: lsr}, 0, false},
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
	b := feedbackBody(uint16(r.f.next-20), 20, []uint16{1<<13 | 20}, 20)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		r.now += int64(time.Millisecond)
		r.f.Sent(1200, r.now)
		r.f.Behind(r.now)
		_ = r.f.Acknowledge(b, r.now)
	}))
}

func BenchmarkFlowSent(b *testing.B) {
	var f Flow
	f.Track()
	now := int64(0)
	for b.Loop() {
		now += int64(time.Millisecond)
		f.Sent(1200, now)
	}
}
