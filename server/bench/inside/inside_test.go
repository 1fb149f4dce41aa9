package inside

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestRun(t *testing.T) {
	if runtime.GOOS != "linux" {
		_, err := Run(t.Context(), Config{Viewers: 5, Duration: time.Second}, &bytes.Buffer{})
		require.ErrorIs(t, err, errNoBatch)
		return
	}
	var progress bytes.Buffer
	r, err := Run(t.Context(), Config{Viewers: 5, Duration: time.Second}, &progress)
	require.NoError(t, err)
	assert.Contains(t, progress.String(), "joining 5 viewers")

	assert.Equal(t, r.Paced.Expected, r.Paced.Packets)
	assert.Positive(t, r.Paced.CPU.Min)
	assert.LessOrEqual(t, r.Paced.CPU.Min, r.Paced.CPU.Median)
	for name, l := range map[string]LatencyReport{"first": r.Paced.First, "last": r.Paced.Last} {
		assert.Positive(t, l.Expected, name)
		assert.Equal(t, l.Expected, l.Received, "%s: none is lost", name)
		assert.Zero(t, l.Broken, name)
		assert.InDelta(t, framesPerSecond, l.Ordinary.Frames+l.Keyframe.Frames, 1, name)
		assert.Positive(t, l.Keyframe.Frames, name)
		assert.Positive(t, l.Ordinary.P50.Min, name)
		assert.GreaterOrEqual(t, l.Ordinary.Max, l.Ordinary.P99.Max, name)
	}
	for name, s := range map[string]Spread{
		"cpu": r.Flat.CPU, "packets/s": r.Flat.PerSecond, "limit": r.Flat.Limit, "limit/s": r.Flat.LimitSecond, "share": r.Flat.Share,
	} {
		assert.Positive(t, s.Min, name)
	}
	var text, js bytes.Buffer
	require.NoError(t, r.WriteText(&text))
	require.NoError(t, r.WriteJSON(&js))
	assert.Contains(t, text.String(), "share of the limit")
	assert.Contains(t, js.String(), `"share_of_limit_percent"`)
	t.Log("\n" + text.String())
}
