package seqmap

import "testing"

// skipped is a map of a viewer that has skipped as often as is remembered, and
// the next number to be sent.
func skipped() (*Map, uint64) {
	m, in := &Map{}, uint64(1000)
	for range spans {
		m.Start(in, 500)
		for range 100 {
			m.Out(in)
			in++
		}
		in += 50
	}
	m.Start(in, 0)
	return m, in
}

// BenchmarkOut renumbers packets as they are sent for the first time.
func BenchmarkOut(b *testing.B) {
	m, in := skipped()
	out := func() {
		if _, ok := m.Out(in); !ok {
			b.Fatal("no number")
		}
		in++
	}
	if n := testing.AllocsPerRun(1000, out); n != 0 {
		b.Fatalf("%v allocations for a packet", n)
	}
	for b.Loop() {
		out()
	}
}

// BenchmarkIn finds the packets that a viewer asks for again; they lie before
// its latest skips.
func BenchmarkIn(b *testing.B) {
	m, _ := skipped()
	highest, at := uint16(m.next), uint16(0)
	find := func() {
		if _, ok := m.In(highest - 1 - at%(100*(spans-2))); !ok {
			b.Fatal("not found")
		}
		at++
	}
	if n := testing.AllocsPerRun(1000, find); n != 0 {
		b.Fatalf("%v allocations for a packet", n)
	}
	for b.Loop() {
		find()
	}
}
