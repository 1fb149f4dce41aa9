package web

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

const (
	maxSettings = 16 << 10 // bytes of a request about sources, pushes, cameras and keys
	maxURL      = 4 << 10  // bytes
)

// sourceBody is a source as it is sent.
type sourceBody struct {
	Stream    string `json:"stream"` // only where the address does not name it
	URL       string `json:"url"`
	Transport string `json:"transport"`
	When      string `json:"when"`
	Private   bool   `json:"private"`
}

func (s *Server) listSources(w http.ResponseWriter, r *http.Request, _ auth.Account) {
	list := s.cfg.Remote.Sources.List()
	if list == nil {
		list = []SourceInfo{}
	}
	s.writeJSON(w, r, http.StatusOK, map[string]any{"sources": list})
}

func (s *Server) putSource(w http.ResponseWriter, r *http.Request, by auth.Account) {
	stream, ok := s.streamOf(w, r)
	if !ok {
		return
	}
	settings, ok := readSource(w, r, by)
	if !ok {
		return
	}
	if settings.Stream != "" && settings.Stream != stream {
		Problem(w, http.StatusBadRequest, codeBadRequest, "The address names one stream and the request another. Leave it out of the request.")
		return
	}
	settings.Stream = stream
	info, created, err := s.cfg.Remote.Sources.Put(r.Context(), settings)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.cfg.Log.Info("source set", "stream", stream, "private", settings.Private, "by", by.Name)
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	s.writeJSON(w, r, status, info)
}

func (s *Server) removeSource(w http.ResponseWriter, r *http.Request, by auth.Account) {
	stream, ok := s.streamOf(w, r)
	if !ok {
		return
	}
	if err := s.cfg.Remote.Sources.Remove(r.Context(), stream); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.cfg.Log.Info("source removed", "stream", stream, "by", by.Name)
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) testSource(w http.ResponseWriter, r *http.Request, by auth.Account) {
	settings, ok := readSource(w, r, by)
	if !ok {
		return
	}
	s.inTurn(w, r, s.heavy.tests, func(ctx context.Context) {
		found, err := s.cfg.Remote.Sources.Test(ctx, settings)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if found.Tracks == nil {
			found.Tracks = []hub.TrackInfo{}
		}
		if found.Diagnoses == nil {
			found.Diagnoses = []media.Diagnosis{}
		}
		s.writeJSON(w, r, http.StatusOK, found)
	})
}

// readSource reads and checks what is sent of a source, or answers what is
// wrong with it. What the URL says is for the manager to judge.
func readSource(w http.ResponseWriter, r *http.Request, by auth.Account) (SourceSettings, bool) {
	body := sourceBody{Transport: "auto", When: "always"}
	if !readObject(w, r, &body, maxSettings) {
		return SourceSettings{}, false
	}
	var wrong string
	switch {
	case body.URL == "" || len(body.URL) > maxURL:
		wrong = "A source needs a URL, like rtsp://user:password@192.0.2.7:554/stream1."
	case body.Transport != "auto" && body.Transport != "tcp" && body.Transport != "udp":
		wrong = `The transport is "auto", "tcp" or "udp".`
	case body.When != "always" && body.When != "watched":
		wrong = `"when" is "always" or "watched".`
	case body.Stream != "" && !auth.ValidName(body.Stream):
		wrong = sentence(auth.ErrName)
	}
	if wrong != "" {
		Problem(w, http.StatusBadRequest, codeBadRequest, wrong)
		return SourceSettings{}, false
	}
	if body.Private && !by.Role.Includes(auth.Admin) {
		Problem(w, http.StatusForbidden, codeDenied, "Only an admin may let the server reach its own or private addresses. Ask one to add this source.")
		return SourceSettings{}, false
	}
	return SourceSettings(body), true
}

// streamOf returns the stream that the address names, or answers that it cannot be one.
func (s *Server) streamOf(w http.ResponseWriter, r *http.Request) (string, bool) {
	stream := chi.URLParam(r, "stream")
	if !auth.ValidName(stream) {
		s.fail(w, r, auth.ErrName)
		return "", false
	}
	return stream, true
}
