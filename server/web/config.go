package web

import (
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/metric"
)

// Config is what the door opens on.
type Config struct {
	Auth     *auth.Service
	Streams  Streams
	App      fs.FS           // the built web app, index.html at its root
	Channels map[string]Open // by the "ch" of their messages
	WHIP     http.Handler    // serves /whip/{stream} and below, with all methods; nil for none
	WHEP     http.Handler    // the same for /whep
	Encoders Encoders
	Remote   Remote
	Ready    func() bool // what /readyz says
	Version  string      // of the server
	Metrics  *metric.Registry
	Log      *slog.Logger
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

// Streams is what the door shows of the streams.
type Streams interface {
	// List returns all streams that are not offline.
	List() []StreamInfo
	// Stream returns one of them.
	Stream(name string) (StreamInfo, bool)
	// Poster returns a still of the stream and a number that grows with each new one.
	Poster(name string) (jpeg []byte, version int, ok bool)
}

// StreamInfo is the stream object of PROTOCOL.md.
type StreamInfo struct {
	Name      string      `json:"name"`
	Title     string      `json:"title"`
	State     string      `json:"state"`               // live, away, ended or offline
	Since     int64       `json:"since,omitempty"`     // when it went live, ms since 1970
	AwaySince int64       `json:"awaySince,omitempty"` // when the publisher was lost, ms since 1970
	Viewers   int         `json:"viewers"`
	Proto     string      `json:"proto,omitempty"`
	Poster    string      `json:"poster,omitempty"` // as PosterPath
	Tracks    []TrackInfo `json:"tracks"`
	Diagnoses []Diagnosis `json:"diagnoses,omitempty"` // what browsers will not play, and the cure
}

// TrackInfo is one track of a StreamInfo, as far as it has been seen.
type TrackInfo struct {
	Kind             string  `json:"kind"`
	Codec            string  `json:"codec"`
	Width            int     `json:"width,omitempty"` // pixels
	Height           int     `json:"height,omitempty"`
	FPS              float64 `json:"fps,omitempty"`
	KeyframeInterval float64 `json:"keyframeInterval,omitempty"` // s
	SampleRate       int     `json:"sampleRate,omitempty"`       // Hz
	Channels         int     `json:"channels,omitempty"`
	Bitrate          int     `json:"bitrate,omitempty"` // bit/s
}

// Diagnosis says what is wrong with a track for those who watch in browsers.
type Diagnosis struct {
	Code string `json:"code"` // for programs, like "b_frames"
	Kind string `json:"kind"` // of the track
	Text string `json:"text"` // what happened and why
	Fix  string `json:"fix"`  // the encoder's setting that cures it
}

// PosterPath returns where the door serves a stream's poster; the version in
// it lets browsers keep each one.
func PosterPath(stream string, version int) string {
	return "/api/v1/streams/" + url.PathEscape(stream) + "/poster.jpg?v=" + strconv.Itoa(version)
}
