package egress

import "time"

// When a viewer that waits asks for a keyframe. One that falls behind time and
// again has a path too narrow for the stream: it asks less and less often, for
// every keyframe costs all the other viewers picture quality.
const (
	askEvery = 500 * time.Millisecond // at first
	askMost  = 8 * time.Second        // in the end
	askCalm  = 20 * time.Second       // without falling behind, and all is forgotten
)

// asking decides when a lane asks. The zero asking asks at once.
type asking struct {
	every      time.Duration
	last, fell time.Time
	rewinds    rewinds // what becomes of the viewer's own wishes
}

// due tells whether to ask now, and takes it as done.
func (a *asking) due(now time.Time) bool {
	if now.Sub(a.last) < max(a.every, askEvery) {
		return false
	}
	a.last = now
	return true
}

// fellBehind notes that the viewer did not keep up.
func (a *asking) fellBehind(now time.Time) {
	if now.Sub(a.fell) > askCalm {
		a.every = askEvery
	} else {
		a.every = min(2*a.every, askMost)
	}
	a.fell = now
}
