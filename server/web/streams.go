package web

import (
	"net/http"
	"strconv"

	"github.com/go-chi/chi/v5"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// listStreams lists what the asker may watch: private streams only for users.
func (s *Server) listStreams(w http.ResponseWriter, r *http.Request) {
	a, err := s.account(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	private, err := s.cfg.Auth.PrivateStreams(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	streams := make([]hub.Info, 0)
	for _, info := range s.cfg.Streams.List() {
		if a != nil || !private[info.Name] {
			streams = append(streams, info)
		}
	}
	s.writeJSON(w, r, http.StatusOK, map[string]any{"streams": streams})
}

func (s *Server) getStream(w http.ResponseWriter, r *http.Request) {
	name, ok := s.mayWatch(w, r)
	if !ok {
		return
	}
	info := s.cfg.Streams.Info(name)
	if info.State == hub.Offline {
		notLive(w)
		return
	}
	s.writeJSON(w, r, http.StatusOK, info)
}

func (s *Server) poster(w http.ResponseWriter, r *http.Request) {
	name, ok := s.mayWatch(w, r)
	if !ok {
		return
	}
	jpeg, version := s.cfg.Streams.Poster(name)
	if jpeg == nil {
		notLive(w)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/jpeg")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "private, no-cache")
	if r.URL.Query().Get("v") == strconv.Itoa(version) {
		h.Set("Cache-Control", "private, max-age=60")
	}
	h.Set("Content-Length", strconv.Itoa(len(jpeg)))
	_, _ = w.Write(jpeg) // a client that left needs no answer
}

// mayWatch returns the stream's name when the asker may watch it, or answers why not.
func (s *Server) mayWatch(w http.ResponseWriter, r *http.Request) (string, bool) {
	req := auth.Request{
		Action: auth.Watch,
		Stream: chi.URLParam(r, "stream"),
		Token:  bearerOf(r),
		Proto:  "http",
		Addr:   remote(r).Addr(),
	}
	a, err := s.account(r)
	if err == nil {
		if a != nil {
			req.Account = a.Name
		}
		_, err = s.cfg.Auth.Check(r.Context(), req)
	}
	if err != nil {
		s.fail(w, r, err)
		return "", false
	}
	return req.Stream, true
}

func notLive(w http.ResponseWriter) {
	Problem(w, http.StatusNotFound, "not_live", "Nobody is publishing this stream. Try again when it is live.")
}
