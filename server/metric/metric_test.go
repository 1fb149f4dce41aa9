package metric_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/metric"
)

func samples(r *metric.Registry) []metric.Sample {
	var all []metric.Sample
	r.Each(func(s metric.Sample) { all = append(all, s) })
	return all
}

func TestEachIsSortedAndComplete(t *testing.T) {
	t.Parallel()
	r := metric.New()
	r.Counter("heliograph_b_total", "b").Add(3)
	r.Gauge("heliograph_a", "a").Set(1.5)
	r.GaugeFunc("heliograph_c", "c", func() float64 { return 7 })
	r.CounterFunc("heliograph_d_total", "d", func() float64 { return 8 })
	r.GaugeVecFunc("heliograph_e", "e", "stream", func(emit func(string, float64)) {
		emit("one", 1)
		emit("two", 2)
	})
	r.CounterVecFunc("heliograph_f_total", "f", "stream", func(emit func(string, float64)) { emit("one", 9) })

	require.Equal(t, []metric.Sample{
		{Name: "heliograph_a", Help: "a", Kind: metric.KindGauge, Value: 1.5},
		{Name: "heliograph_b_total", Help: "b", Kind: metric.KindCounter, Value: 3},
		{Name: "heliograph_c", Help: "c", Kind: metric.KindGauge, Value: 7},
		{Name: "heliograph_d_total", Help: "d", Kind: metric.KindCounter, Value: 8},
		{Name: "heliograph_e", Help: "e", Kind: metric.KindGauge, Label: "stream", LabelValue: "one", Value: 1},
		{Name: "heliograph_e", Help: "e", Kind: metric.KindGauge, Label: "stream", LabelValue: "two", Value: 2},
		{Name: "heliograph_f_total", Help: "f", Kind: metric.KindCounter, Label: "stream", LabelValue: "one", Value: 9},
	}, samples(r))
}

func TestOneNameIsOneMetric(t *testing.T) {
	t.Parallel()
	r := metric.New()
	require.Same(t, r.Counter("heliograph_a_total", ""), r.Counter("heliograph_a_total", ""))
	require.Same(t, r.Gauge("heliograph_b", ""), r.Gauge("heliograph_b", ""))

	r.GaugeFunc("heliograph_c", "", func() float64 { return 1 })
	r.GaugeFunc("heliograph_c", "", func() float64 { return 2 })
	require.InDelta(t, 2, samples(r)[2].Value, 0, "the later function stays")
}

func TestNameOfAnotherKindIsNotPrinted(t *testing.T) {
	t.Parallel()
	r := metric.New()
	r.Counter("heliograph_a", "").Inc()
	g := r.Gauge("heliograph_a", "")
	g.Set(5)
	r.GaugeFunc("heliograph_a", "", func() float64 { return 6 })
	r.GaugeFunc("heliograph_b", "", func() float64 { return 7 })
	c := r.Counter("heliograph_b", "")
	c.Inc()

	require.InDelta(t, 5, g.Value(), 0)
	require.Equal(t, uint64(1), c.Value())
	require.Equal(t, []metric.Sample{
		{Name: "heliograph_a", Kind: metric.KindCounter, Value: 1},
		{Name: "heliograph_b", Kind: metric.KindGauge, Value: 7},
	}, samples(r))
}

func TestNilRegistryWorks(t *testing.T) {
	t.Parallel()
	var r *metric.Registry
	c := r.Counter("heliograph_a_total", "")
	c.Inc()
	c.Add(2)
	require.Equal(t, uint64(3), c.Value())
	g := r.Gauge("heliograph_b", "")
	g.Add(-2.5)
	require.InDelta(t, -2.5, g.Value(), 0)
	r.GaugeFunc("heliograph_c", "", func() float64 { return 1 })
	require.Empty(t, samples(r))
}

// A function may ask the registry for metrics of its own: Each holds no lock.
func TestFunctionMayUseTheRegistry(t *testing.T) {
	t.Parallel()
	r := metric.New()
	r.GaugeFunc("heliograph_a", "", func() float64 { return float64(r.Counter("heliograph_b_total", "").Value()) })
	require.Len(t, samples(r), 1)
	require.Len(t, samples(r), 2)
}

func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	const workers, rounds = 8, 500
	r := metric.New()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range rounds {
				r.Counter("heliograph_a_total", "").Inc()
				r.Gauge("heliograph_b", "").Add(0.5)
				r.Each(func(metric.Sample) {})
			}
		})
	}
	wg.Wait()
	require.Equal(t, uint64(workers*rounds), r.Counter("heliograph_a_total", "").Value())
	require.InDelta(t, workers*rounds/2, r.Gauge("heliograph_b", "").Value(), 0)
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := metric.New()
	c, g := r.Counter("heliograph_a_total", ""), r.Gauge("heliograph_b", "")
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c.Inc()
		c.Add(2)
		g.Set(1)
		g.Add(1)
	}))
}

func BenchmarkCounterInc(b *testing.B) {
	c := metric.New().Counter("heliograph_a_total", "")
	b.ReportAllocs()
	for b.Loop() {
		c.Inc()
	}
}
