package egress

import (
	"errors"
	"sync/atomic"

	"github.com/heliograph/heliograph/server/metric"
)

// ErrAbusive ends a viewer whose feedback stayed far above any player's.
var ErrAbusive = errors.New("the viewer sent far more feedback than any player needs")

// Why feedback of viewers is dropped.
const (
	dropFlood     = iota // more packets than a player sends
	dropForged           // while many failed authentication
	dropKeyframes        // requests for keyframes beyond a viewer's share
	dropLost             // packets asked for again, beyond what is taken at once
	dropCauses
)

// drops counts what was dropped, by cause.
type drops [dropCauses]atomic.Uint64

func newDrops(r *metric.Registry) *drops {
	d := &drops{}
	r.CounterVecFunc("heliograph_egress_feedback_dropped_total", "What viewers asked for beyond their bounds, by cause: packets (flood, forged), keyframe requests, lost packets.",
		"cause", func(emit func(string, float64)) {
			for i, cause := range []string{"flood", "forged", "keyframes", "lost"} {
				emit(cause, float64(d[i].Load()))
			}
		})
	return d
}

func (d *drops) add(cause, n int) { d[cause].Add(uint64(n)) }
