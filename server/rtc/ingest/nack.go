package ingest

import (
	"slices"
	"time"
)

// How lost packets are asked for. The figures come from tries with 5 and 10 %
// loss: asking at once and again after a round trip recovers nearly all, and a
// publisher asked more often only doubles its own traffic.
const (
	nackReorder  = 2                      // packets that may overtake one before it counts as lost
	nackPatience = 10 * time.Millisecond  // or how long that is waited for
	nackRetry    = 20 * time.Millisecond  // least time between two requests for one packet
	nackTries    = 10                     // requests for one packet
	nackAge      = time.Second            // after which a packet is of no use
	nackMost     = 512                    // packets waited for
	nackSilence  = 500 * time.Millisecond // without a packet, after which
	nackBrief    = 16                     // more missing ones than this are not asked for
	nackRestart  = 3000                   // packets back that mean a new beginning
	nackUnsure   = 4                      // returns after several requests in a row that correct the round trip
	nackFirstRTT = 100 * time.Millisecond // until it has been measured
)

// nacker decides which packets of one track to ask for again. It is pure: the
// caller tells the time, and is its only user.
type nacker struct {
	marked  bool // what is sent again is marked so (RTX)
	begun   bool
	newest  int64         // highest extended sequence number seen
	came    time.Time     // when it did
	missing []missing     // ordered by sequence number
	rtt     time.Duration // smoothed; 0 before the first measurement
	jitter  time.Duration // mean deviation of it
	unsure  int           // returns since the last that measured something
	least   time.Duration // of their times since the first request
	gaveUp  bool
}

type missing struct {
	seq         int64
	since       time.Time // when the gap was seen
	first, last time.Time // when it was asked for
	tries       int
}

// received notes a packet. again tells that it is marked as sent again.
func (n *nacker) received(seq16 uint16, now time.Time, again bool) {
	if !n.begun {
		n.begun, n.newest, n.came = true, int64(seq16), now
		return
	}
	step := int64(int16(seq16 - uint16(n.newest)))
	if -nackRestart <= step && step <= 0 {
		n.found(n.newest+step, now, again)
		return
	}
	silence := now.Sub(n.came)
	n.came = now
	// A jump, not a loss; or the path was away, and the keyframe would have to wait
	// until all the old pictures have been sent again: begin anew.
	if step < 0 || step > nackMost || step > nackBrief+1 && silence > nackSilence {
		n.missing = n.missing[:0]
		n.gaveUp = true
		n.newest += step
		return
	}
	for s := n.newest + 1; s < n.newest+step; s++ {
		n.missing = append(n.missing, missing{seq: s, since: now})
	}
	n.newest += step
	if over := len(n.missing) - nackMost; over > 0 {
		n.missing = slices.Delete(n.missing, 0, over)
		n.gaveUp = true
	}
}

// found forgets a packet that came late, and learns the round trip from it.
func (n *nacker) found(seq int64, now time.Time, again bool) {
	i, ok := slices.BinarySearchFunc(n.missing, seq, func(m missing, s int64) int { return int(m.seq - s) })
	if !ok {
		return
	}
	// An original that is only late says nothing about requests.
	if m := n.missing[i]; m.tries > 0 && (again || !n.marked && now.Sub(m.first) > nackPatience) {
		n.measured(m, now)
	}
	n.missing = slices.Delete(n.missing, i, i+1)
}

// measured takes a packet's return as a measurement. After several requests
// it is not known which was answered, so it counts for nothing (Karn's rule);
// but when that is so time after time, requests are repeated too early, and the
// least of those times is taken.
func (n *nacker) measured(m missing, now time.Time) {
	sample := now.Sub(m.first)
	if m.tries > 1 {
		if n.unsure == 0 || sample < n.least {
			n.least = sample
		}
		if n.unsure++; n.unsure < nackUnsure || n.least < n.rtt {
			return
		}
		n.rtt, sample = 0, n.least
	}
	n.unsure = 0
	if n.rtt == 0 {
		n.rtt, n.jitter = sample, sample/8
		return
	}
	n.jitter += ((sample - n.rtt).Abs() - n.jitter) / 4
	n.rtt += (sample - n.rtt) / 8
}

// retry returns how long an answer may take before it counts as lost too.
func (n *nacker) retry() time.Duration {
	if n.rtt == 0 {
		return nackFirstRTT
	}
	return max(nackRetry, n.rtt+2*n.jitter)
}

// due returns the numbers to ask for now, appended to into, and counts them as
// asked. lost tells that packets were given up since the last call: only a
// keyframe helps.
func (n *nacker) due(now time.Time, into []uint16) (ask []uint16, lost bool) {
	retry, kept := n.retry(), n.missing[:0]
	for _, m := range n.missing {
		if now.Sub(m.since) >= nackAge || m.tries == nackTries && now.Sub(m.last) >= retry {
			n.gaveUp = true
			continue
		}
		if n.ready(m, now, retry) {
			if m.tries == 0 {
				m.first = now
			}
			m.tries++
			m.last = now
			into = append(into, uint16(m.seq))
		}
		kept = append(kept, m)
	}
	n.missing = kept
	lost, n.gaveUp = n.gaveUp, false
	return into, lost
}

func (n *nacker) ready(m missing, now time.Time, retry time.Duration) bool {
	switch {
	case m.tries == 0:
		return n.newest-m.seq >= nackReorder || now.Sub(m.since) >= nackPatience
	case m.tries < nackTries:
		return now.Sub(m.last) >= retry
	}
	return false
}

// waiting tells whether packets are missing, so that due must be called again
// within some 10 ms even if nothing comes.
func (n *nacker) waiting() bool { return len(n.missing) > 0 }
