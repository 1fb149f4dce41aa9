package web

import (
	"net/http"

	"github.com/heliograph/heliograph/server/auth"
)

// streamKey is the answer of everything about the key of a stream.
type streamKey struct {
	Stream string `json:"stream"`
	Key    string `json:"key"`
}

// getKey shows a key to those who may publish under any name anyway.
func (s *Server) getKey(w http.ResponseWriter, r *http.Request, _ auth.Account) {
	stream, ok := s.streamOf(w, r)
	if !ok {
		return
	}
	key, ok, err := s.cfg.Auth.Key(r.Context(), stream)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	if !ok {
		Problem(w, http.StatusNotFound, "no_key", "This stream has no key, or one of an earlier version that cannot be shown. Make a new one.")
		return
	}
	s.writeJSON(w, r, http.StatusOK, streamKey{stream, key})
}

// newKey makes a key; the one before stops working.
func (s *Server) newKey(w http.ResponseWriter, r *http.Request, by auth.Account) {
	stream, ok := s.streamOf(w, r)
	if !ok {
		return
	}
	var body struct {
		Private *bool `json:"private"`
	}
	if !readOptional(w, r, &body) {
		return
	}
	key, err := s.cfg.Auth.NewKey(r.Context(), stream, body.Private)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.cfg.Log.Info("new stream key", "stream", stream, "by", by.Name)
	s.writeJSON(w, r, http.StatusCreated, streamKey{stream, key})
}
