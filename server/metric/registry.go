package metric

import (
	"cmp"
	"slices"
	"sync"
)

// Kind tells a number that only grows from one that goes up and down.
type Kind uint8

// The kinds of a metric.
const (
	KindCounter Kind = iota + 1
	KindGauge
)

// Sample is one value of one metric, as Each hands it out.
type Sample struct {
	Name       string // Prometheus style: heliograph_packets_received_total
	Help       string
	Kind       Kind
	Label      string // name of the label, "" for a metric without one
	LabelValue string
	Value      float64
}

// Registry holds metrics by name. Asking twice for one name gives the same
// metric. A nil *Registry gives metrics that work and are printed nowhere, so
// a package needs no special case for a server that nobody measures.
type Registry struct {
	// guarded by mu
	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one registered metric; exactly one of its sources is set.
type entry struct {
	name, help, label string
	kind              Kind
	counter           *Counter
	gauge             *Gauge
	each              func(emit func(labelValue string, v float64))
}

// New makes an empty registry.
func New() *Registry {
	return &Registry{entries: make(map[string]*entry)}
}

// Counter returns the counter of this name. A name already used by a metric
// that is no counter yields one that works but is not printed: a wrong name
// must never take the server down.
func (r *Registry) Counter(name, help string) *Counter {
	e := r.get(&entry{name: name, help: help, kind: KindCounter, counter: new(Counter)})
	if e.counter == nil {
		return new(Counter)
	}
	return e.counter
}

// Gauge returns the gauge of this name, under the rule of Counter.
func (r *Registry) Gauge(name, help string) *Gauge {
	e := r.get(&entry{name: name, help: help, kind: KindGauge, gauge: new(Gauge)})
	if e.gauge == nil {
		return new(Gauge)
	}
	return e.gauge
}

// CounterFunc registers a counter that f reads. Of two functions with one
// name the later stays. f may be called from anywhere and must not block.
func (r *Registry) CounterFunc(name, help string, f func() float64) {
	r.set(&entry{name: name, help: help, kind: KindCounter, each: single(f)})
}

// GaugeFunc registers a gauge that f reads, under the rules of CounterFunc.
func (r *Registry) GaugeFunc(name, help string, f func() float64) {
	r.set(&entry{name: name, help: help, kind: KindGauge, each: single(f)})
}

// CounterVecFunc registers a counter with one label. f calls emit once for
// each value of the label, under the rules of CounterFunc.
func (r *Registry) CounterVecFunc(name, help, label string, f func(emit func(labelValue string, v float64))) {
	r.set(&entry{name: name, help: help, label: label, kind: KindCounter, each: f})
}

// GaugeVecFunc registers a gauge with one label, under the rules of
// CounterVecFunc.
func (r *Registry) GaugeVecFunc(name, help, label string, f func(emit func(labelValue string, v float64))) {
	r.set(&entry{name: name, help: help, label: label, kind: KindGauge, each: f})
}

// Each calls f with every value of every metric, sorted by name.
func (r *Registry) Each(f func(Sample)) {
	for _, e := range r.sorted() {
		s := Sample{Name: e.name, Help: e.help, Kind: e.kind, Label: e.label}
		switch {
		case e.counter != nil:
			s.Value = float64(e.counter.Value())
			f(s)
		case e.gauge != nil:
			s.Value = e.gauge.Value()
			f(s)
		default:
			e.each(func(labelValue string, v float64) {
				s.LabelValue, s.Value = labelValue, v
				f(s)
			})
		}
	}
}

// sorted copies the entries, so that no function is called under the lock.
func (r *Registry) sorted() []*entry {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	entries := make([]*entry, 0, len(r.entries))
	for _, e := range r.entries {
		entries = append(entries, e)
	}
	r.mu.Unlock()
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.name, b.name) })
	return entries
}

// get returns the entry that has e's name, which is e itself when it is new.
func (r *Registry) get(e *entry) *entry {
	if r == nil {
		return e
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.entries[e.name]; ok {
		return old
	}
	r.entries[e.name] = e
	return e
}

// set registers e, in the place of an older function of its name.
func (r *Registry) set(e *entry) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if old, ok := r.entries[e.name]; ok && old.each == nil {
		return // a plain metric has the name, and its owner still counts in it
	}
	r.entries[e.name] = e
}

func single(f func() float64) func(emit func(string, float64)) {
	return func(emit func(string, float64)) { emit("", f()) }
}
