package clip

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4/pkg/media/oggwriter"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// annexB writes NALs with start codes of both lengths.
func annexB(nals ...[]byte) []byte {
	var out []byte
	for i, nal := range nals {
		if i%2 == 0 {
			out = append(out, 0)
		}
		out = append(append(out, 0, 0, 1), nal...)
	}
	return out
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(file, content, 0o600))
	return file
}

func TestReadClip(t *testing.T) {
	t.Parallel()
	p := []byte{NALSlice, 0x9a}
	idr := []byte{NALIDR, 0x88}
	for name, c := range map[string]struct {
		content []byte
		frames  int
		err     string
	}{
		"starts inside a GOP": {annexB(p, p, []byte{NALSPS, 1}, []byte{NALPPS, 2}, idr, p), 2, ""},
		"no keyframe":         {annexB(p, p), 0, "has no keyframe"},
		"no parameter sets":   {annexB(idr, p), 0, "has no SPS and PPS"},
		"an mp4":              {[]byte("\x00\x00\x00\x18ftypmp42"), 0, "start codes"},
		"empty":               {nil, 0, "has no keyframe"},
	} {
		got, err := readClip(writeFile(t, "c.h264", c.content), "")
		if c.err != "" {
			assert.ErrorContains(t, err, c.err, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Len(t, got.Frames, c.frames, name)
		assert.Len(t, got.Opus, 1, "silence")
	}
	_, err := readClip(filepath.Join(t.TempDir(), "none.h264"), "")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

func TestOpusFrames(t *testing.T) {
	t.Parallel()
	ogg := func(toc byte, step uint32) []byte {
		var buf bytes.Buffer
		w, err := oggwriter.NewWith(&buf, 48000, 2)
		require.NoError(t, err)
		for i := range 5 {
			p := &rtp.Packet{Header: rtp.Header{Timestamp: 1000 + uint32(i)*step}, Payload: []byte{toc, byte(i)}}
			require.NoError(t, w.WriteRTP(p))
		}
		require.NoError(t, w.Close())
		return buf.Bytes()
	}
	got, err := opusFrames(ogg(0xf8, 960))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(got), 4)
	assert.Equal(t, []byte{0xf8, 1}, got[1])
	_, err = opusFrames(ogg(0x18, 2880))
	assert.ErrorContains(t, err, "more than 20 ms")
	_, err = opusFrames([]byte("RIFF"))
	assert.ErrorContains(t, err, "not Opus in Ogg")
}

func TestNextKey(t *testing.T) {
	t.Parallel()
	c := &Clip{Frames: []Frame{{}, {IDR: true}, {}, {IDR: true}, {}}}
	for at, want := range []int{1, 1, 3, 3, 1} {
		assert.Equal(t, want, c.NextKey(at))
	}
}

func TestMissingFFmpeg(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	_, err := Open(t.Context(), nil, 4*time.Second)
	require.ErrorContains(t, err, "ffmpeg was not found")
	assert.ErrorContains(t, err, "--clip FILE.h264")
	assert.ErrorContains(t, err, "-g 120 ", "the command can be run by hand")
	assert.ErrorContains(t, err, "-t 12.000", "whole GOPs")
	assert.True(t, strings.Contains(err.Error(), "apt install ffmpeg"))
}
