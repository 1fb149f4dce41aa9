package hub

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
}

// TrackInfo describes one track.
type TrackInfo struct {
	Kind  string `json:"kind"`
	Codec string `json:"codec"`
}
