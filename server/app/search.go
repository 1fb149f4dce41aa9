package app

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/onvif"
	"github.com/heliograph/heliograph/server/web"
)

// searchTime is how long cameras have to answer a search.
const searchTime = 3 * time.Second

// search shows the search for cameras to the web door.
type search struct{ scout *onvif.Scout }

var _ web.Cameras = search{}

// Discover implements web.Cameras.
func (s search) Discover(ctx context.Context) ([]web.CameraInfo, error) {
	found, err := s.scout.Discover(ctx, searchTime)
	if err != nil {
		return nil, searchRefusal(err)
	}
	list := []web.CameraInfo{}
	for _, c := range found {
		list = append(list, web.CameraInfo(c))
	}
	return list, nil
}

// Streams implements web.Cameras.
func (s search) Streams(ctx context.Context, l web.CameraLogin) ([]web.CameraStream, error) {
	found, err := s.scout.Streams(ctx, l.Endpoint, l.User, l.Password)
	if err != nil {
		return nil, searchRefusal(err)
	}
	list := []web.CameraStream{}
	for _, c := range found {
		c.URL = withoutUser(c.URL)
		list = append(list, web.CameraStream(c))
	}
	return list, nil
}

// withoutUser takes user and password out of an address: who asked knows them.
func withoutUser(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}

// searchRefusal tells a person what went wrong.
func searchRefusal(err error) error {
	return refusal(err, []refused{
		{onvif.ErrBusy, http.StatusTooManyRequests, "throttled"},
		{onvif.ErrEndpoint, http.StatusBadRequest, "bad_request"},
		{onvif.ErrPassword, http.StatusUnprocessableEntity, "wrong_password"},
		{onvif.ErrAnswer, http.StatusUnprocessableEntity, "no_video"},
		{onvif.ErrStreams, http.StatusUnprocessableEntity, "no_video"},
		{netguard.ErrRefused, http.StatusUnprocessableEntity, "refused"},
	})
}
