package hub

import "time"

// keyframeEvery bounds keyframe requests to a source: two a second and track.
const keyframeEvery = 500 * time.Millisecond

// keyframeRequests merges what many viewers ask for.
type keyframeRequests struct {
	asked   time.Time // when the source was last asked
	newest  time.Time // when the newest keyframe came
	wanted  time.Time // when somebody last wanted one
	pending bool      // a request waits for its time
}

func (k *keyframeRequests) came(at time.Time) { k.newest = at }

// RequestKeyframe asks the source for a keyframe of a layer. Requests are
// merged: the source sees at most two a second, and none when a keyframe has
// come since.
func (t *Track) RequestKeyframe(layer int) {
	now := time.Now()
	t.mu.Lock()
	t.keyframe.wanted = now
	wait := keyframeEvery - now.Sub(t.keyframe.asked)
	if wait > 0 {
		if !t.keyframe.pending {
			t.keyframe.pending = true
			time.AfterFunc(wait, func() { t.requestDue(layer) })
		}
		t.mu.Unlock()
		return
	}
	t.keyframe.asked = now
	t.mu.Unlock()
	t.askSource(layer)
}

// requestDue sends a request that had to wait, unless a keyframe or another
// request came after all who are waiting had asked.
func (t *Track) requestDue(layer int) {
	t.mu.Lock()
	t.keyframe.pending = false
	made := t.keyframe.wanted
	served := t.keyframe.newest.After(made) || !t.keyframe.asked.Before(made)
	if !served {
		t.keyframe.asked = time.Now()
	}
	t.mu.Unlock()
	if !served {
		t.askSource(layer)
	}
}

func (t *Track) askSource(layer int) {
	if src := t.stream.source(); src != nil {
		src.RequestKeyframe(t, layer)
	}
}
