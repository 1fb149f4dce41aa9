package bench

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/bench/clip"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tinyClip is 50 pictures a second of hand-made NALs: a keyframe of three
// packets and frames of one to four, the keyframe far apart.
func tinyClip() *clip.Clip {
	c := &clip.Clip{FPS: 50, Opus: [][]byte{{0xf8, 0xff, 0xfe}}}
	nal := func(kind byte, n int) []byte {
		return append([]byte{kind | 3<<5, 0x80}, bytes.Repeat([]byte{0x5a}, n)...)
	}
	for i := range 1000 {
		u := clip.AccessUnit{Slices: [][]byte{nal(clip.NALSlice, 100+i%4*1100)}}
		if i%500 == 0 {
			u = clip.AccessUnit{IDR: true, Params: [][]byte{nal(clip.NALSPS, 20), nal(clip.NALPPS, 4)}, Slices: [][]byte{nal(clip.NALIDR, 3000)}}
		}
		c.Frames = append(c.Frames, clip.Packetise(u))
	}
	return c
}

func testConfig(url string) Config {
	return Config{
		WHIP: Endpoint{URL: url + "/whip/x?secret=1", Token: "key"}, WHEP: Endpoint{URL: url + "/whep/x", Token: "key"},
		Viewers: 2, Ramp: 100, GOP: time.Second,
		Duration: 600 * time.Millisecond, Warmup: 100 * time.Millisecond, Baseline: 10 * time.Millisecond,
	}
}

func TestRunAgainstAnSFU(t *testing.T) {
	t.Parallel()
	sfu, server := newMiniSFU(t, "key")
	cfg := testConfig(server.URL)
	var progress lockedBuffer
	r, err := runClip(t.Context(), cfg, tinyClip(), &progress)
	require.NoError(t, err)

	require.Equal(t, 2, r.Load.Joined, "failures %v", r.Failures)
	assert.Equal(t, server.URL+"/whip/x", r.Load.WHIP, "no query in the report")
	assert.False(t, r.Load.Early)
	assert.Zero(t, r.Load.Lost)
	require.Len(t, r.Viewers, 2)
	for _, v := range r.Viewers {
		assert.Positive(t, v.Video.Received)
		assert.Positive(t, v.Audio.Received)
		assert.Equal(t, v.Video.Expected, v.Video.Received+v.Video.Lost)
	}
	assert.Positive(t, r.Source.Frames)
	assert.Positive(t, r.Source.KeyframeRequests, "viewers ask for a keyframe")
	assert.Positive(t, r.Latency.Frames)
	assert.Positive(t, r.Latency.P50)
	assert.LessOrEqual(t, r.Latency.P50, r.Latency.Max)
	assert.Positive(t, r.Join.FirstKeyframe.Min)
	assert.LessOrEqual(t, r.Join.Answer.Min, r.Join.FirstKeyframe.Min)
	for _, w := range r.Warnings {
		assert.NotContains(t, w, "decrypted")
		assert.NotContains(t, w, "stamp")
	}
	assert.Positive(t, r.Client.TransportFeedback)
	assert.Positive(t, r.Client.PerPacket)
	sfu.mu.Lock()
	defer sfu.mu.Unlock()
	assert.Positive(t, sfu.feedback, "the server can read it")
	assert.Equal(t, 3, sfu.removed, "every session ends with DELETE")
}

func TestRunEndsEarly(t *testing.T) {
	t.Parallel()
	_, server := newMiniSFU(t, "key")
	cfg := testConfig(server.URL)
	cfg.Duration = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	progress := &lockedBuffer{onWrite: func(all string) {
		if strings.Contains(all, phaseMeasuring) {
			cancel()
		}
	}}
	r, err := runClip(ctx, cfg, tinyClip(), progress)
	require.NoError(t, err)
	assert.True(t, r.Load.Early)
	assert.Positive(t, r.Load.Measured)
	assert.Positive(t, r.Latency.Frames)
}

func TestRunFailures(t *testing.T) {
	t.Parallel()
	_, server := newMiniSFU(t, "key")
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"wrong publisher key": {func(c *Config) { c.WHIP.Token = "no" },
			"the publisher could not go live: the server answered 401 Unauthorized: wrong key"},
		"wrong viewer key": {func(c *Config) { c.WHEP.Token = "" },
			"no viewer could join: the server answered 401 Unauthorized: wrong key"},
		"no such page": {func(c *Config) { c.WHEP.URL += "y" },
			"no viewer could join: the server answered 404 Not Found: 404 page not found"},
		"no such process": {func(c *Config) { c.PID = 1 << 30 }, "is it running on this machine?"},
		"no viewers":      {func(c *Config) { c.Viewers = 0 }, "it must be 1 to 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := testConfig(server.URL)
			cfg.Clip = []string{tinyFile(t)}
			c.change(&cfg)
			_, err := Run(t.Context(), cfg, &lockedBuffer{})
			assert.ErrorContains(t, err, c.want)
			assert.NotContains(t, err.Error(), "secret")
		})
	}
}

// lockedBuffer takes the progress.
type lockedBuffer struct {
	onWrite func(all string)

	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := b.buf.Write(p)
	if b.onWrite != nil {
		b.onWrite(b.buf.String())
	}
	return n, err
}

// tinyFile is a clip of one keyframe.
func tinyFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "tiny.h264")
	stream := "\x00\x00\x01\x67\x01\x00\x00\x01\x68\x02\x00\x00\x01\x65\x88" + strings.Repeat("3", 2500)
	require.NoError(t, os.WriteFile(file, []byte(stream), 0o600))
	return file
}
