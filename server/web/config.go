package web

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/metric"
)

// Config is what the door opens on.
type Config struct {
	Auth     *auth.Service
	Streams  Streams
	App      fs.FS           // the built web app, index.html at its root
	Channels map[string]Open // by the "ch" of their messages
	Media    Media
	TLS      TLS
	Encoders Encoders
	Remote   Remote
	Ready    func() bool // what /readyz says
	Version  string      // of the server
	Metrics  *metric.Registry
	Log      *slog.Logger
}

// Media serves what leads to media by HTTP, each with all methods and nil for
// none.
type Media struct {
	WHIP  http.Handler // /whip/{stream} and below
	WHEP  http.Handler // /whep/{stream} and below
	Reach http.Handler // /reach
}

// ErrConfig is returned for a Config that lacks something.
var ErrConfig = errors.New("web: Auth, Streams, App, Ready and Log are needed")

// Validate returns ErrConfig.
func (c Config) Validate() error {
	if c.Auth == nil || c.Streams == nil || c.App == nil || c.Ready == nil || c.Log == nil {
		return ErrConfig
	}
	return nil
}

// Streams is what the door shows of the streams. The hub is one.
type Streams interface {
	// List returns all streams that are not offline.
	List() []hub.Info
	// Info returns the state of a stream; one that is not here is offline.
	Info(name string) hub.Info
	// Poster returns a still of the stream, nil for none, and a number that grows with each new one.
	Poster(name string) (jpeg []byte, version int)
}

// PosterPath returns where the door serves a stream's poster; the version in
// it lets browsers keep each one.
func PosterPath(stream string, version int) string {
	return "/api/v1/streams/" + url.PathEscape(stream) + "/poster.jpg?v=" + strconv.Itoa(version)
}
