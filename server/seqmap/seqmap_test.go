package seqmap

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSkipLeavesNoGap(t *testing.T) {
	t.Parallel()
	var m Map
	_, ok := m.Out(5)
	require.False(t, ok, "nothing before Start")
	_, ok = m.In(5)
	require.False(t, ok)

	m.Start(1000, 65_530)
	for in := uint64(1000); in < 1010; in++ {
		out, ok := m.Out(in)
		require.True(t, ok)
		require.EqualValues(t, 65_530+in-1000, out)
	}
	m.Start(1050, 0) // skipped 1010..1049
	out, ok := m.Out(1050)
	require.True(t, ok)
	require.EqualValues(t, 65_540, out, "goes on where it stopped")
	_, ok = m.Out(1020)
	require.False(t, ok, "a skipped packet has no number")

	in, ok := m.In(uint16(65_535))
	require.True(t, ok)
	require.EqualValues(t, 1005, in)
	in, ok = m.In(4) // 65,540 wrapped
	require.True(t, ok)
	require.EqualValues(t, 1050, in)
	_, ok = m.In(5)
	require.False(t, ok, "not handed out yet")
}

func TestLatePacketKeepsItsNumber(t *testing.T) {
	t.Parallel()
	var m Map
	m.Start(10, 100)
	_, _ = m.Out(10)
	_, _ = m.Out(12)
	out, ok := m.Out(11)
	require.True(t, ok)
	require.EqualValues(t, 101, out)
	_, ok = m.Out(9)
	require.False(t, ok, "before the start")
}

func TestSkipBeforeAnythingWasSent(t *testing.T) {
	t.Parallel()
	var m Map
	m.Start(10, 0)
	m.Start(20, 0)
	_, ok := m.Out(15)
	require.False(t, ok, "its number is another's")
	out, ok := m.Out(20)
	require.True(t, ok)
	require.Zero(t, out)
}

// Every number handed out is new, follows the one before, and leads back.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var m Map
		in := rapid.Uint64Range(0, 1<<40).Draw(t, "first")
		next := uint64(rapid.Uint16().Draw(t, "out"))
		m.Start(in, next)
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "skip") == 0 {
				in += rapid.Uint64Range(1, 5000).Draw(t, "by")
				m.Start(in, 0)
			}
			out, ok := m.Out(in)
			if !ok || out != next {
				t.Fatalf("out(%d) = %d, %v; want %d", in, out, ok, next)
			}
			if back, ok := m.In(uint16(out)); !ok || back != in {
				t.Fatalf("in(%d) = %d, %v; want %d", out, back, ok, in)
			}
			in++
			next++
		}
	})
}
