package ingest

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// link is a path with loss, delay and jitter in virtual time, between a sender
// that resends what it is asked for and a nacker.
type link struct {
	rng    *rand.Rand
	loss   float64
	delay  time.Duration // one way
	jitter time.Duration
	queue  events
	now    time.Time
}

type event struct {
	at   time.Time
	seq  uint16
	kind kind
}

// kind is what travels.
type kind uint8

const (
	original kind = iota
	request
	again
)

type events []event

func (e events) Len() int           { return len(e) }
func (e events) Less(a, b int) bool { return e[a].at.Before(e[b].at) }
func (e events) Swap(a, b int)      { e[a], e[b] = e[b], e[a] }
func (e *events) Push(x any)        { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := (*e)[len(*e)-1]
	*e = (*e)[:len(*e)-1]
	return last
}

func (l *link) send(seq uint16, k kind) {
	if l.rng.Float64() < l.loss {
		return
	}
	l.arrive(seq, k)
}

// arrive sends what is not lost.
func (l *link) arrive(seq uint16, k kind) {
	d := l.delay
	if l.jitter > 0 {
		d += time.Duration(l.rng.Int64N(int64(l.jitter)))
	}
	heap.Push(&l.queue, event{l.now.Add(d), seq, k})
}

// edge is how many packets at each end of a run are not lost.
const edge = 5

// outcome of a run.
type outcome struct {
	lost, recovered, asked int
}

// run sends n packets, one every interval, and then waits for the rest.
func (l *link) run(n *nacker, first uint16, packets int, interval time.Duration) outcome {
	var o outcome
	l.now = time.Unix(1000, 0)
	came, end := map[uint16]bool{}, l.now.Add(time.Duration(packets)*interval+2*time.Second)
	sent := 0
	next := l.now
	poll := l.now
	for l.now.Before(end) {
		// The next thing to happen: a packet is sent, something arrives, or the reader looks up.
		l.now = poll
		if sent < packets && next.Before(l.now) {
			l.now = next
		}
		if len(l.queue) > 0 && l.queue[0].at.Before(l.now) {
			l.now = l.queue[0].at
		}
		switch {
		case len(l.queue) > 0 && !l.queue[0].at.After(l.now):
			e := heap.Pop(&l.queue).(event)
			if e.kind == request {
				l.send(e.seq, again)
				continue
			}
			n.received(e.seq, l.now, e.kind == again)
			came[e.seq] = true
		case sent < packets && !next.After(l.now):
			before := len(l.queue)
			// What goes before the first or after the last that comes, nobody can miss.
			if sent < edge || sent >= packets-edge {
				l.arrive(first+uint16(sent), original)
			} else {
				l.send(first+uint16(sent), original)
			}
			if len(l.queue) == before {
				o.lost++
			}
			sent++
			next = next.Add(interval)
			continue
		default:
			poll = poll.Add(nackPoll)
		}
		ask, _ := n.due(l.now, nil)
		o.asked += len(ask)
		for _, s := range ask {
			l.send(s, request)
		}
	}
	for i := range packets {
		if !came[first+uint16(i)] {
			o.recovered--
		}
	}
	o.recovered += o.lost
	return o
}

// With 10 % loss on both ways, everything is recovered, and the publisher is
// asked hardly more often than chance demands: 1/0.81 = 1.23 times a packet.
func TestNACKSurvivesTenPercentLoss(t *testing.T) {
	t.Parallel()
	var lost, asked int
	rapid.Check(t, func(t *rapid.T) {
		interval := time.Duration(rapid.IntRange(2, 8).Draw(t, "interval")) * time.Millisecond
		l := &link{
			rng:    rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
			loss:   0.10,
			delay:  time.Duration(rapid.IntRange(1, 100).Draw(t, "delay")) * time.Millisecond,
			jitter: interval * time.Duration(rapid.IntRange(0, 2).Draw(t, "jitter")),
		}
		first := rapid.Uint16().Draw(t, "first")
		n := nacker{marked: rapid.Bool().Draw(t, "rtx")}
		o := l.run(&n, first, 1200, interval)
		require.Positive(t, o.lost)
		// Ten tries within a second: with a round trip of 200 ms five of them fit.
		if l.delay <= 50*time.Millisecond {
			assert.Equal(t, o.lost, o.recovered, "lost for good")
		}
		assert.GreaterOrEqual(t, float64(o.recovered), 0.95*float64(o.lost))
		assert.False(t, n.waiting())
		// One run loses about 120 packets: chance alone makes 1.5 of 1.23.
		assert.Less(t, float64(o.asked)/float64(o.lost), 2.0, "requests for each lost packet")
		lost, asked = lost+o.lost, asked+o.asked
	})
	assert.Less(t, float64(asked)/float64(lost), 1.5, "requests for each lost packet")
}

func TestNACKIsQuietWithoutLoss(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l := &link{
			rng:   rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
			delay: 20 * time.Millisecond,
			// Less than two packets' time: what is overtaken by one is not lost.
			jitter: time.Duration(rapid.IntRange(0, 3).Draw(t, "jitter")) * time.Millisecond,
		}
		var n nacker
		assert.Zero(t, l.run(&n, rapid.Uint16().Draw(t, "first"), 500, 4*time.Millisecond).asked)
	})
}

func TestNACKAsksAtOnceAndAgain(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	ask := func(n *nacker, ms int) []uint16 {
		a, _ := n.due(at(ms), nil)
		return a
	}
	var n nacker
	n.received(65534, at(0), false)
	n.received(1, at(1), false) // 65535 and 0 are missing
	assert.Equal(t, []uint16{65535}, ask(&n, 1), "two came after it")
	assert.Empty(t, ask(&n, 5))
	assert.Equal(t, []uint16{0}, ask(&n, 11), "it has been waited for")
	assert.Equal(t, []uint16{65535}, ask(&n, 101), "again after the assumed round trip")
	n.received(65535, at(105), false)
	assert.Zero(t, n.rtt, "nobody knows which request was answered")
	n.received(0, at(111), false)
	assert.Equal(t, 100*time.Millisecond, n.rtt)
	assert.False(t, n.waiting())
	assert.Empty(t, ask(&n, 500))
}

func TestNACKGivesUp(t *testing.T) {
	t.Parallel()
	start := time.Unix(0, 0)
	var n nacker
	n.received(1, start, false)
	n.received(5, start, false)
	asked := 0
	for ms := 0; ms < 1000; ms += 10 {
		a, lost := n.due(start.Add(time.Duration(ms)*time.Millisecond), nil)
		asked += len(a)
		require.False(t, lost)
	}
	assert.Equal(t, 3*nackTries, asked)
	_, lost := n.due(start.Add(nackAge), nil)
	assert.True(t, lost, "only a keyframe helps")
	assert.False(t, n.waiting())
	_, lost = n.due(start.Add(nackAge), nil)
	assert.False(t, lost, "it is told once")
}

func TestNACKAsksForAKeyframeAfterSilence(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		silence  time.Duration
		missing  uint16
		keyframe bool
	}{
		{"the path was away", nackSilence + time.Millisecond, nackBrief + 1, true},
		{"a burst of loss", nackSilence, nackBrief + 1, false},
		{"a publisher of few pictures", 5 * time.Second, nackBrief, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var n nacker
			start := time.Unix(0, 0)
			n.received(65530, start, false)
			back := start.Add(c.silence)
			n.received(65531+c.missing, back, false)
			_, lost := n.due(back, nil)
			assert.Equal(t, c.keyframe, lost)
			assert.Equal(t, c.keyframe, !n.waiting())
			n.received(65533+c.missing, back, false)
			n.received(65534+c.missing, back, false)
			ask, lost := n.due(back, nil)
			assert.False(t, lost)
			assert.Contains(t, ask, 65532+c.missing, "what is lost afterwards is asked for")
		})
	}
}

func TestNACKIsBounded(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	var n nacker
	n.received(0, now, false)
	for seq := uint16(400); seq < 4000; seq += 400 { // a publisher that sends one packet of 400
		n.received(seq, now, false)
		assert.LessOrEqual(t, len(n.missing), nackMost)
	}
	_, lost := n.due(now, nil)
	assert.True(t, lost)
	n.received(30000, now, false) // a jump is no loss
	assert.False(t, n.waiting())
	n.received(100, now, false) // nor is one back
	n.received(102, now, false)
	n.received(103, now, false)
	a, _ := n.due(now, nil)
	assert.Equal(t, []uint16{101}, a)
}
