package web

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/heliograph/heliograph/server/auth"
)

func (s *Server) listPushes(w http.ResponseWriter, r *http.Request, _ auth.Account) {
	list := s.cfg.Remote.Pushes.List()
	if list == nil {
		list = []PushInfo{}
	}
	s.writeJSON(w, r, http.StatusOK, map[string]any{"pushes": list})
}

func (s *Server) addPush(w http.ResponseWriter, r *http.Request, by auth.Account) {
	var body struct {
		Stream string `json:"stream"`
		URL    string `json:"url"`
	}
	if !readObject(w, r, &body, maxSettings) {
		return
	}
	if !auth.ValidName(body.Stream) {
		s.fail(w, r, auth.ErrName)
		return
	}
	if body.URL == "" || len(body.URL) > maxURL {
		Problem(w, http.StatusBadRequest, codeBadRequest, "A push needs a URL, like rtmp://live.example.org/app/KEY.")
		return
	}
	info, err := s.cfg.Remote.Pushes.Add(r.Context(), body.Stream, body.URL, by.Role.Includes(auth.Admin))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.cfg.Log.Info("push added", "stream", body.Stream, "push", info.ID, "by", by.Name)
	s.writeJSON(w, r, http.StatusCreated, info)
}

func (s *Server) enablePush(w http.ResponseWriter, r *http.Request, by auth.Account) {
	var body struct {
		Enabled *bool `json:"enabled"`
	}
	if !readObject(w, r, &body, maxSettings) {
		return
	}
	if body.Enabled == nil {
		Problem(w, http.StatusBadRequest, codeBadRequest, `Say "enabled": true or false.`)
		return
	}
	info, err := s.cfg.Remote.Pushes.Enable(r.Context(), chi.URLParam(r, "id"), *body.Enabled)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.cfg.Log.Info("push switched", "stream", info.Stream, "push", info.ID, "on", *body.Enabled, "by", by.Name)
	s.writeJSON(w, r, http.StatusOK, info)
}

func (s *Server) removePush(w http.ResponseWriter, r *http.Request, by auth.Account) {
	id := chi.URLParam(r, "id")
	if err := s.cfg.Remote.Pushes.Remove(r.Context(), id); err != nil {
		s.refuse(w, r, err)
		return
	}
	s.cfg.Log.Info("push removed", "push", id, "by", by.Name)
	w.WriteHeader(http.StatusNoContent)
}
