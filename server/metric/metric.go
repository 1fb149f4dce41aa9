// Package metric counts: counters, gauges and functions that are read when
// somebody looks. It knows no format and no network; server/web prints what is
// registered. A label is the name of a stream or a few fixed words, never a
// viewer or an address.
package metric

import (
	"math"
	"sync/atomic"
)

// Counter is a number that only grows, from zero at start. The zero value
// works; all methods may be called from anywhere and allocate nothing.
type Counter struct {
	n atomic.Uint64
}

// Inc adds one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add adds n.
func (c *Counter) Add(n uint64) { c.n.Add(n) }

// Value returns what was counted so far.
func (c *Counter) Value() uint64 { return c.n.Load() }

// Gauge is a number that goes up and down. The zero value works; all methods
// may be called from anywhere and allocate nothing.
type Gauge struct {
	bits atomic.Uint64 // of a float64
}

// Set makes the value v.
func (g *Gauge) Set(v float64) { g.bits.Store(math.Float64bits(v)) }

// Add adds v, which may be negative.
func (g *Gauge) Add(v float64) {
	for {
		old := g.bits.Load()
		if g.bits.CompareAndSwap(old, math.Float64bits(math.Float64frombits(old)+v)) {
			return
		}
	}
}

// Value returns the value now.
func (g *Gauge) Value() float64 { return math.Float64frombits(g.bits.Load()) }
