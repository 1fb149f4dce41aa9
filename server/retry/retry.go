// Package retry says how long to wait before something that failed is tried
// again. It knows nothing of what is tried.
package retry

import (
	"math/rand/v2"
	"time"
)

// Delay returns how long to wait after so many failures in a row: least after
// the first, then twice as long each time up to most, give or take a fifth so
// that what failed together is not tried together.
func Delay(failures int, least, most time.Duration) time.Duration {
	d := least
	for ; failures > 1 && d < most; failures-- {
		d *= 2
	}
	d = min(d, most)
	return d*4/5 + rand.N(d*2/5+1)
}
