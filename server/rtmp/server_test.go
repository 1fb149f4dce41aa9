package rtmp

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

func TestPublishAndPlay(t *testing.T) {
	t.Parallel()
	bframes := []string{"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-pix_fmt", "yuv420p", "-g", "25", "-b:v", "500k"}
	for name, c := range map[string]struct {
		args   [][]string
		tracks int
		audio  string
	}{
		"H264 and AAC":  {[][]string{picture, sound, x264, {"-c:a", "aac"}}, 2, media.AAC},
		"B-frames":      {[][]string{picture, sound, bframes, {"-c:a", "aac"}}, 2, media.AAC},
		"H264 only":     {[][]string{picture, x264}, 1, ""},
		"H264 and G711": {[][]string{picture, sound, x264, {"-c:a", "pcm_alaw", "-ar", "8000", "-ac", "1"}}, 2, media.PCMA},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, true)
			p := publish(t, h.url+"/harbour", c.args...)
			h.live("harbour", c.tracks)
			if c.audio != "" {
				require.Equal(t, c.audio, h.track("harbour", media.Audio).Codec().Name)
			}
			frames := h.frames("harbour", media.Video)
			player := decode(t, h.url+"/harbour", 40)
			require.NoError(t, player.wait(t))
			assert.Contains(t, player.out.text.String(), "320x180")
			assert.NotContains(t, player.out.text.String(), "non monoton")
			// The player looks at the first half second; sound that comes later is a new stream to it.
			assert.Equal(t, c.audio != "", regexp.MustCompile("Audio:|New audio stream").MatchString(player.out.text.String()))
			require.Eventually(t, frames.seen(func(c *counter) bool { return c.keyframes > 1 }), patience, time.Millisecond)
			require.NoError(t, p.cmd.Process.Signal(interrupt))
			require.Eventually(t, func() bool { return h.hub.Info("harbour").State == hub.Offline }, patience, time.Millisecond)
		})
	}
}

// Sound comes in steps of its samples, though RTMP rounds times to ms.
func TestSoundIsExact(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", sound, []string{"-c:a", "aac"})
	h.live("harbour", 1)
	frames := h.frames("harbour", media.Audio)
	require.Eventually(t, frames.seen(func(c *counter) bool { return c.frames > 40 }), patience, time.Millisecond)
	require.True(t, frames.seen(func(c *counter) bool { return c.odd == 0 && c.step == 1024 })(), "%+v", frames)
}

// What cannot be carried is named, and the rest plays.
func TestUnknownCodec(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	publish(t, h.url+"/harbour", picture, sound, x264, []string{"-c:a", "libmp3lame", "-ar", "44100"})
	h.live("harbour", 1)
	frames := h.frames("harbour", media.Video)
	require.Eventually(t, frames.seen(func(c *counter) bool { return c.frames > 30 }), patience, time.Millisecond)
	require.Equal(t, 1, h.log.count("codec=MP3"))
}

func TestRTMPS(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("harbour", false)
	publish(t, h.tls+"/harbour?key="+key, picture, x264)
	h.live("harbour", 1)
	player := decode(t, h.tls+"/harbour", 10)
	require.NoError(t, player.wait(t))
	assert.Zero(t, h.log.count(key), "keys are never logged")
}

func TestKeys(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key, other := h.key("harbour", true), h.key("quay", false)
	withUser := func(user, pass string) string {
		return strings.Replace(h.url, "rtmp://", "rtmp://"+user+":"+pass+"@", 1)
	}
	for name, c := range map[string]struct{ url, says string }{
		"no key":    {h.url + "/harbour", "A key is missing"},
		"wrong key": {h.url + "/harbour?key=" + key[:30] + "x", "The key, token or password is wrong"}, "other key": {h.url + "/harbour?key=" + other, "does not allow it"},
		"bad name":     {h.url + "/.harbour?key=" + key, "Not a stream's name"},
		"other place":  {strings.Replace(h.url, "/live", "/stage", 1) + "/harbour?key=" + key, "the address is rtmp://HOST/live/STREAM"},
		"wrong answer": {strings.Replace(withUser("ada", other), "/live", "/auth", 1) + "/harbour", "The key, token or password is wrong"},
	} {
		p := publish(t, c.url, picture, x264)
		require.Error(t, p.wait(t), name)
		require.Contains(t, p.out.text.String(), c.says, name)
	}
	require.Equal(t, 6, h.log.count("msg=refused"))
	for name, url := range map[string]string{
		"key":    h.url + "/harbour?key=" + key,
		"token":  h.url + "/harbour?token=" + key,
		"pass":   h.url + "/harbour?user=ada&pass=" + key,
		"answer": strings.Replace(withUser("ada", key), "/live", "/auth", 1) + "/harbour",
	} {
		p := publish(t, url, picture, x264)
		h.live("harbour", 1)
		frames := h.frames("harbour", media.Video)
		require.Eventually(t, frames.seen(func(c *counter) bool { return c.frames > 5 }), patience, time.Millisecond, name)
		require.NoError(t, p.cmd.Process.Signal(interrupt))
		require.Eventually(t, func() bool { return h.hub.Info("harbour").State == hub.Offline }, patience, time.Millisecond)
	}
	require.Zero(t, h.log.count(key), "keys are never logged")
}

// An encoder that has a user and a password cannot say so before it is asked,
// and is asked only after it was refused twice; from then on at once.
func TestUserAndPasswordAtLive(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	url := strings.Replace(h.url, "rtmp://", "rtmp://ada:"+h.key("harbour", false)+"@", 1) + "/harbour"
	for range 2 {
		p := publish(t, url, picture, x264)
		require.Error(t, p.wait(t))
		require.Contains(t, p.out.text.String(), "A key is missing")
	}
	for range 2 {
		p := publish(t, url, picture, x264)
		h.live("harbour", 1)
		require.NoError(t, p.cmd.Process.Signal(interrupt))
		require.Eventually(t, func() bool { return h.hub.Info("harbour").State == hub.Offline }, patience, time.Millisecond)
	}
}

func TestPlayIsRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	key := h.key("harbour", true)
	p := decode(t, h.url+"/quay", 1)
	require.Error(t, p.wait(t))
	require.Contains(t, p.out.text.String(), "The stream is not live")
	publish(t, h.url+"/harbour?key="+key, picture, x264)
	h.live("harbour", 1)
	p = decode(t, h.url+"/harbour", 1)
	require.Error(t, p.wait(t))
	require.Contains(t, p.out.text.String(), "A key is missing")
	p = decode(t, h.url+"/harbour?key="+key, 1)
	require.NoError(t, p.wait(t))
}
