package web

import (
	"context"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// Remote is what the door offers of other machines' streams, to publishers and
// admins. What is nil answers 404.
type Remote struct {
	Sources Sources
	Pushes  Pushes
	Cameras Cameras
}

// Refusal is an error whose text is meant for the person who asked. The
// managers behind the interfaces below return it where the person can do
// something; any other error is a fault of the server, logged and not told.
type Refusal struct {
	Status int    // of HTTP, like 422
	Code   string // for programs, like "wrong_password"
	Text   string // a sentence: what happened, why, and what to do; no secrets
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Sources is the list of streams that this server fetches from cameras and
// other servers. Passwords go in and never come out: every URL that is
// returned has *** in their place.
type Sources interface {
	// List returns all by the names of their streams.
	List() []SourceInfo
	// Put adds or changes the source of a stream, and tells whether it is new.
	// A URL whose password is *** keeps the stored one where user and host are
	// the same. It returns a *Refusal: of a URL that is none, of one that the
	// settings file fixes, of one too many.
	Put(ctx context.Context, s SourceSettings) (info SourceInfo, created bool, err error)
	// Remove returns a *Refusal when there is none, or the settings file fixes it.
	Remove(ctx context.Context, stream string) error
	// Test connects once and tells what comes; it ends with ctx. Of the settings
	// Stream may be "", or names the source whose password *** stands for. It
	// returns a *Refusal with status 422 and the code wrong_password,
	// unreachable, no_video or refused.
	Test(ctx context.Context, s SourceSettings) (SourceTest, error)
}

// SourceSettings are what a person chooses of a source.
type SourceSettings struct {
	Stream    string
	URL       string // with credentials
	Transport string // auto, tcp or udp
	When      string // always or watched
	Private   bool   // the address may be this machine's own, or of a private network; an admin has said so
}

// SourceInfo is a source as it is shown.
type SourceInfo struct {
	Stream    string `json:"stream"`
	URL       string `json:"url"` // the password as ***
	Transport string `json:"transport"`
	When      string `json:"when"`
	Private   bool   `json:"private"`
	Fixed     bool   `json:"fixed"` // from the settings file: read only
	State     string `json:"state"` // waiting, connecting, live, wrong_password, no_video, unreachable, frozen, refused or off
	Text      string `json:"text"`  // the state as a sentence
	Since     int64  `json:"since"`
	RetryAt   int64  `json:"retryAt,omitempty"` // both in ms since 1970
}

// SourceTest is what came of a source that was tried out.
type SourceTest struct {
	Tracks    []hub.TrackInfo   `json:"tracks"`
	Diagnoses []media.Diagnosis `json:"diagnoses"`
}

// Pushes is the list of streams that this server sends on to other servers.
// Stream keys go in and never come out: every URL that is returned has ••• in
// the place of what may be one.
type Pushes interface {
	// List returns all in the order in which they were made.
	List() []PushInfo
	// Add begins a push; only an admin's may go to private addresses. It returns
	// a *Refusal: of a URL that is none, of one too many.
	Add(ctx context.Context, stream, url string, admin bool) (PushInfo, error)
	// Enable switches a push on or off. It returns a *Refusal when there is none.
	Enable(ctx context.Context, id string, on bool) (PushInfo, error)
	// Remove returns a *Refusal when there is none, or the settings file fixes it.
	Remove(ctx context.Context, id string) error
}

// PushInfo is a push as it is shown.
type PushInfo struct {
	ID      string `json:"id"`
	Stream  string `json:"stream"`
	URL     string `json:"url"` // its secrets as •••
	Enabled bool   `json:"enabled"`
	Fixed   bool   `json:"fixed"` // from the settings file: it cannot be removed
	State   string `json:"state"` // off, waiting, connecting, live or retrying
	Text    string `json:"text"`  // the state as a sentence
	Since   int64  `json:"since"`
	RetryAt int64  `json:"retryAt,omitempty"` // both in ms since 1970
	Retries int    `json:"retries"`           // since it was last live
	Bytes   int64  `json:"bytes"`             // sent since it was made or the server started
}

// Cameras finds cameras on the local network (ONVIF). Nothing happens before a
// person asks.
type Cameras interface {
	// Discover asks the network and returns who answered until ctx ends, or a
	// bit earlier.
	Discover(ctx context.Context) ([]CameraInfo, error)
	// Streams asks one camera for the addresses of its streams. It returns a
	// *Refusal with status 422 and the code wrong_password, unreachable or
	// refused.
	Streams(ctx context.Context, c CameraLogin) ([]CameraStream, error)
}

// CameraInfo is a camera that answered.
type CameraInfo struct {
	Name     string `json:"name"`
	Address  string `json:"address"`  // of the machine
	Endpoint string `json:"endpoint"` // for Cameras.Streams
}

// CameraLogin is what a camera is asked with.
type CameraLogin struct {
	Endpoint string `json:"endpoint"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// CameraStream is one of a camera's streams. Its URL has no credentials in it.
type CameraStream struct {
	Name   string `json:"name"`
	URL    string `json:"url"`
	Codec  string `json:"codec"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
}
