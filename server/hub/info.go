package hub

import "github.com/heliograph/heliograph/server/media"

// State says what a stream is doing.
type State string

// The states of a stream.
const (
	Live    State = "live"    // a publication feeds it
	Away    State = "away"    // the publisher is lost, its viewers wait
	Ended   State = "ended"   // it just ended
	Offline State = "offline" // it is not here
)

// Info is what anybody may know of a stream. Its JSON form is the stream
// object of the WebSocket protocol and of the API.
type Info struct {
	Name      string      `json:"name"`
	Title     string      `json:"title"`
	State     State       `json:"state"`
	Since     int64       `json:"since,omitempty"`     // when it went live, ms since 1970
	AwaySince int64       `json:"awaySince,omitempty"` // when the publisher was lost, ms since 1970
	Viewers   int         `json:"viewers"`
	Proto     string      `json:"proto,omitempty"` // how it is published
	Poster    string      `json:"poster,omitempty"`
	Tracks    []TrackInfo `json:"tracks"`

	Diagnoses []media.Diagnosis `json:"diagnoses,omitempty"` // what browsers will not play, and the cure

	Held int `json:"-"` // subscriptions, the server's own included
}

// TrackInfo describes one track, as far as it has been seen.
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

func trackInfo(t *Track) TrackInfo {
	tr := t.Traits()
	return TrackInfo{
		Kind: t.kind.String(), Codec: t.Codec().Name, Width: tr.Width, Height: tr.Height, FPS: tr.FPS,
		KeyframeInterval: tr.KeyframeInterval.Seconds(), SampleRate: tr.SampleRate, Channels: tr.Channels, Bitrate: tr.Bitrate,
	}
}
