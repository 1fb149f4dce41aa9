package web

import (
	"context"
	"net/http"

	"github.com/heliograph/heliograph/server/auth"
)

func (s *Server) discoverCameras(w http.ResponseWriter, r *http.Request, by auth.Account) {
	if !readOptional(w, r, &struct{}{}) {
		return
	}
	s.inTurn(w, r, s.heavy.searches, func(ctx context.Context) {
		s.cfg.Log.Info("looking for cameras on the local network", "by", by.Name)
		found, err := s.cfg.Remote.Cameras.Discover(ctx)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if found == nil {
			found = []CameraInfo{}
		}
		s.writeJSON(w, r, http.StatusOK, map[string]any{"cameras": found})
	})
}

func (s *Server) cameraStreams(w http.ResponseWriter, r *http.Request, _ auth.Account) {
	var body CameraLogin
	if !readObject(w, r, &body, maxSettings) {
		return
	}
	if body.Endpoint == "" || len(body.Endpoint) > maxURL {
		Problem(w, http.StatusBadRequest, codeBadRequest, "Say which camera: the endpoint that the search for cameras returned.")
		return
	}
	s.inTurn(w, r, s.heavy.tests, func(ctx context.Context) {
		found, err := s.cfg.Remote.Cameras.Streams(ctx, body)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		if found == nil {
			found = []CameraStream{}
		}
		s.writeJSON(w, r, http.StatusOK, map[string]any{"streams": found})
	})
}
