package app

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/pull"
	"github.com/heliograph/heliograph/server/rtsp"
	"github.com/heliograph/heliograph/server/web"
)

// cameras lets pull play cameras, which rtsp knows how to.
type cameras struct{ puller *rtsp.Puller }

var _ pull.Opener = cameras{}

// Pull implements pull.Opener.
func (c cameras) Pull(ctx context.Context, r pull.Request) error {
	return cameraError(c.puller.Pull(ctx, r.Grant, camera(r)))
}

// Probe implements pull.Opener.
func (c cameras) Probe(ctx context.Context, r pull.Request) ([]pull.Track, error) {
	offers, err := rtsp.Probe(ctx, camera(r))
	if err != nil {
		return nil, cameraError(err)
	}
	tracks := make([]pull.Track, len(offers))
	for i, o := range offers {
		seen := media.NewProbe(o.Codec).Traits() // by the parameter sets of the description
		tracks[i] = pull.Track{Kind: o.Kind.String(), Codec: o.Name, Width: seen.Width, Height: seen.Height}
	}
	return tracks, nil
}

func camera(r pull.Request) rtsp.Source {
	return rtsp.Source{URL: r.URL, Transport: r.Transport, Dial: r.Dial, Live: r.Live}
}

// cameraFailure is an error of rtsp in the words of pull.
type cameraFailure struct{ err, kind error }

func (f cameraFailure) Error() string   { return f.err.Error() }
func (f cameraFailure) Unwrap() []error { return []error{f.err, f.kind} }

func cameraError(err error) error {
	for theirs, ours := range map[error]error{
		rtsp.ErrPassword: pull.ErrPassword, rtsp.ErrNoVideo: pull.ErrNoVideo,
		rtsp.ErrUnreachable: pull.ErrUnreachable, rtsp.ErrFrozen: pull.ErrFrozen,
	} {
		if errors.Is(err, theirs) {
			return cameraFailure{err, ours}
		}
	}
	return err
}

// sources shows the pull sources to the web door.
type sources struct{ pull *pull.Manager }

var _ web.Sources = sources{}

// List implements web.Sources.
func (s sources) List() []web.SourceInfo {
	list := []web.SourceInfo{}
	for _, i := range s.pull.List() {
		list = append(list, sourceInfo(i))
	}
	return list
}

// Put implements web.Sources.
func (s sources) Put(ctx context.Context, c web.SourceSettings) (web.SourceInfo, bool, error) {
	info, created, err := s.pull.Put(ctx, source(c), c.Private)
	return sourceInfo(info), created, sourceRefusal(err)
}

// Remove implements web.Sources.
func (s sources) Remove(ctx context.Context, stream string) error {
	return sourceRefusal(s.pull.Delete(ctx, stream))
}

// Test implements web.Sources.
func (s sources) Test(ctx context.Context, c web.SourceSettings) (web.SourceTest, error) {
	tracks, err := s.pull.Test(ctx, source(c), c.Private)
	if err != nil {
		return web.SourceTest{}, sourceRefusal(err)
	}
	test := web.SourceTest{Tracks: []hub.TrackInfo{}, Diagnoses: []media.Diagnosis{}}
	for _, t := range tracks {
		test.Tracks = append(test.Tracks, hub.TrackInfo{Kind: t.Kind, Codec: t.Codec, Width: t.Width, Height: t.Height})
		test.Diagnoses = append(test.Diagnoses, media.Diagnose(kindOf(t.Kind), media.Codec{Name: t.Codec}, media.Traits{})...)
	}
	return test, nil
}

func kindOf(name string) media.Kind {
	if name == media.Audio.String() {
		return media.Audio
	}
	return media.Video
}

func source(c web.SourceSettings) pull.Source {
	return pull.Source{Stream: c.Stream, URL: c.URL, Transport: c.Transport, When: c.When, Private: c.Private}
}

func sourceInfo(i pull.Info) web.SourceInfo {
	return web.SourceInfo{
		Stream: i.Stream, URL: i.URL, Transport: i.Transport, When: i.When, Private: i.Private, Fixed: i.Fixed,
		State: string(i.State), Text: i.Text, Since: i.Since, RetryAt: i.RetryAt,
	}
}

// sourceRefusal tells a person what the manager of the sources refused.
func sourceRefusal(err error) error {
	var state *pull.StateError
	if errors.As(err, &state) {
		return &web.Refusal{Status: http.StatusUnprocessableEntity, Code: string(state.State), Text: state.Text}
	}
	return refusal(err, []refused{
		{pull.ErrURL, http.StatusBadRequest, "bad_request"},
		{pull.ErrTransport, http.StatusBadRequest, "bad_request"},
		{pull.ErrWhen, http.StatusBadRequest, "bad_request"},
		{pull.ErrMasked, http.StatusBadRequest, "bad_request"},
		{pull.ErrAdmin, http.StatusForbidden, "denied"},
		{pull.ErrFixed, http.StatusConflict, "fixed"},
		{pull.ErrFull, http.StatusConflict, "full"},
		{pull.ErrNotFound, http.StatusNotFound, "not_found"},
	})
}

// sentence makes an error's text one for people.
func sentence(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:] + "."
}
