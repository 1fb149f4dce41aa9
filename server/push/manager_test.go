package push

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
)

func TestAddRefuses(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for _, c := range []struct {
		stream, url string
		want        error
	}{
		{"../x", ingest, auth.ErrName},
		{"cam", "", ErrURL},
		{"cam", "rtmp:geheim", ErrURL},
		{"cam", "rtmp:///app/geheim", ErrURL},
		{"cam", "rtmp://h:0/app/geheim", ErrURL},
		{"cam", "rtmp://h/app/geheim#x", ErrURL},
		{"cam", "rtmp://u:12/geheim@h/app", ErrURL},
		{"cam", "rtmp://h/app/%geheim", ErrURL},
		{"cam", "rtmp://h/app/\x00geheim", ErrURL},
		{"cam", "rtmp://h/app/geheim" + strings.Repeat("a", maxURL), ErrURL},
		{"cam", "ftp://h/app/geheim", ErrScheme},
		{"cam", "file:///etc/geheim", ErrURL},
	} {
		_, err := h.Add(t.Context(), c.stream, c.url, true)
		require.ErrorIs(t, err, c.want, c.url)
		require.NotContains(t, err.Error(), "geheim")
	}
	for raw, admin := range map[string]bool{
		"rtmp://127.0.0.1/app/geheim":      false,
		"srt://LOCALHOST:8890?pass=geheim": false,
		"whip://u:geheim@[::1]/cam":        false,
		"rtsp://u:geheim@10.0.0.1/cam":     false,
		"http://169.254.169.254/geheim":    true,
	} {
		_, err := h.Add(t.Context(), "cam", raw, admin)
		require.ErrorIs(t, err, netguard.ErrRefused, raw)
		require.NotContains(t, err.Error(), "geheim")
		require.Equal(t, admin, strings.Contains(err.Error(), "belongs to no server"), err)
	}
	_, err := h.Add(t.Context(), "cam", "ftp://h", true)
	require.ErrorContains(t, err, "one of rtmp, rtmps, rtsp, rtsps, srt, whip, whips, http, https")
	require.Empty(t, h.List())
	_, err = h.SetEnabled(t.Context(), "none", true)
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, h.Delete(t.Context(), "none"), ErrNotFound)

	h.memory.fail = errors.New("disk full")
	_, err = h.Add(t.Context(), "cam", ingest, true)
	require.ErrorIs(t, err, h.memory.fail)
	require.Empty(t, h.List())
}

func TestBounds(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range maxPushes {
		_, err := h.Add(t.Context(), fmt.Sprintf("s%d", i/maxPerStream), fmt.Sprintf("rtmp://h/app/%d", i), false)
		require.NoError(t, err)
	}
	_, err := h.Add(t.Context(), "s0", "rtmp://h/app/x", false)
	require.ErrorIs(t, err, ErrStreamFull)
	_, err = h.Add(t.Context(), "t", "rtmp://h/app/x", false)
	require.ErrorIs(t, err, ErrFull)
	_, err = h.Add(t.Context(), "s0", "rtmp://h/app/0", false)
	require.ErrorIs(t, err, ErrTwice)
}

func TestPushesAreKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	made, err := h.Add(t.Context(), "cam", ingest, true)
	require.NoError(t, err)
	_, err = h.SetEnabled(t.Context(), made.ID, false)
	require.NoError(t, err)
	h.memory.docs["broken"] = []byte(`{"url":`)
	h.memory.docs["bad"] = []byte(`{"stream":"x","url":"gopher://x"}`)

	again, err := h.manager()
	require.NoError(t, err)
	list := again.List()
	require.Len(t, list, 1)
	require.Equal(t, made.ID, list[0].ID)
	require.Equal(t, Off, list[0].State)
	p, err := again.changeable(made.ID)
	require.NoError(t, err)
	require.Equal(t, Target{Stream: "cam", URL: ingest, Private: true}, p.target())
	require.Len(t, h.memory.docs, 3, "what cannot be read is left alone")

	_, err = h.manager(Target{Stream: "cam", URL: "rtmp://u:geheim@/x"})
	require.ErrorIs(t, err, ErrURL)
	require.NotContains(t, err.Error(), "geheim")
	h.memory.fail = errors.New("disk")
	_, err = h.manager()
	require.ErrorIs(t, err, h.memory.fail)
	_, err = New(t.Context(), Config{})
	require.ErrorIs(t, err, ErrConfig)
}

// Whatever a person pastes, what is shown of it holds neither user, password,
// last element nor query value of a target that RTMP could be sent to.
func FuzzShown(f *testing.F) {
	f.Add(ingest)
	f.Add("rtmp://u:geheim@h/app/geheim/?a=geheim&geheim")
	f.Add("rtmp://h/app//geheim//")
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := parse(raw)
		if err != nil || u.Scheme != "rtmp" {
			return
		}
		if len(raw) > maxURL || u.Hostname() == "" {
			t.Fatalf("%q passed", raw)
		}
		rules := redact.Target(u.Scheme)
		text := rules.Text("refused "+u.String(), rules.Secrets(u))
		for _, s := range rules.Secrets(u) {
			if len(s) >= 8 && !strings.Contains(u.Host+u.Scheme+"•••", s) && strings.Contains(text, s) {
				t.Fatalf("%q shows %q in %q", raw, s, text)
			}
		}
	})
}
