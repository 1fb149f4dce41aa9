package pull

import (
	"context"
	"errors"
	"net"
	"net/url"

	"github.com/heliograph/heliograph/server/auth"
)

// Opener speaks to cameras. Its errors wrap ErrPassword, ErrNoVideo, ErrFrozen,
// hub.ErrBusy or the guard's netguard.ErrRefused; any other is taken for
// ErrUnreachable. Where an error's text is a sentence it is shown to the owner
// as it is.
type Opener interface {
	// Pull plays a camera into the hub under the request's grant until ctx
	// ends, and calls Live when the first media came. When ctx ends it closes
	// the publication with context.Cause(ctx); when the camera fails, with a
	// reason that keeps the viewers.
	Pull(ctx context.Context, r Request) error
	// Probe asks a camera what it has, and publishes nothing.
	Probe(ctx context.Context, r Request) ([]Track, error)
}

// Request is one connection to one camera.
type Request struct {
	URL       *url.URL // with user and password; it is the Opener's own
	Transport string   // "auto", "tcp" or "udp"
	Grant     auth.Grant
	Dial      func(ctx context.Context, network, address string) (net.Conn, error) // for every connection
	Live      func()                                                               // nil for a probe
}

// Track is one track that a camera has.
type Track struct {
	Kind   string `json:"kind"`
	Codec  string `json:"codec"`
	Width  int    `json:"width,omitempty"` // pixels, 0 when the camera does not say
	Height int    `json:"height,omitempty"`
}

// Storage keeps the sources by their stream's name. What it keeps holds
// passwords.
type Storage interface {
	Put(ctx context.Context, id string, body []byte) error
	All(ctx context.Context) (map[string][]byte, error)
	Delete(ctx context.Context, id string) error
}

// What an Opener finds out; tell apart with errors.Is.
var (
	ErrPassword    = errors.New("the camera refuses the user name or password")
	ErrNoVideo     = errors.New("the camera sends nothing that can be carried")
	ErrUnreachable = errors.New("the camera cannot be reached")
	ErrFrozen      = errors.New("the camera stopped sending")
)

// Why a source cannot be added, changed or removed.
var (
	ErrURL       = errors.New("the address is not right")
	ErrMasked    = errors.New("the password is needed again, because the address is another one")
	ErrTransport = errors.New("the transport is one of auto, tcp and udp")
	ErrWhen      = errors.New("a source is pulled always or watched")
	ErrAdmin     = errors.New("only an admin may allow an address on this machine's own or a private network")
	ErrFixed     = errors.New("this source stands in the settings file, change it there")
	ErrFull      = errors.New("there are 500 sources already, remove one first")
	ErrNotFound  = errors.New("there is no source of this name")
	ErrConfig    = errors.New("pull: Opener, Hub, Grant, Public and Private are needed")
)

// errChanged ends a connection whose source was changed; its viewers stay.
var errChanged = errors.New("the source was changed and is connected again")

// Source is what a person says about a camera.
type Source struct {
	Stream    string `json:"-"`
	URL       string `json:"url"`       // rtsp or rtsps, with user and password
	Transport string `json:"transport"` // "auto" (also ""), "tcp" or "udp"
	When      string `json:"when"`      // "always" (also "") or "watched"
	Private   bool   `json:"private"`   // may be on the machine's own or a private network
}

// State says how a source is doing.
type State string

// The states of a source.
const (
	Waiting       State = "waiting"        // for a viewer, or for the name to be free
	Connecting    State = "connecting"     // for the first time, or after a change
	Live          State = "live"           // it plays
	WrongPassword State = "wrong_password" // tried again slowly, so that the camera does not lock the account
	NoVideo       State = "no_video"       // it has no track that can be carried
	Unreachable   State = "unreachable"    // nobody answers, or the connection broke
	Frozen        State = "frozen"         // connected, but no media came any more
	Refused       State = "refused"        // the address may not be reached
	Off           State = "off"            // the server does not pull now
)

// Info is what may be shown of a source.
type Info struct {
	Stream    string `json:"stream"`
	URL       string `json:"url"` // with *** for secrets
	Transport string `json:"transport"`
	When      string `json:"when"`
	Private   bool   `json:"private"`
	Fixed     bool   `json:"fixed"` // stands in the settings file
	State     State  `json:"state"`
	Text      string `json:"text"`              // the state in a sentence
	Since     int64  `json:"since"`             // when the state began, ms since 1970
	RetryAt   int64  `json:"retryAt,omitempty"` // when it is tried again, ms since 1970; 0 while it is tried
}

// StateError is why a source does not play, for a person.
type StateError struct {
	State State
	Text  string
}

// Error returns the sentence.
func (e *StateError) Error() string { return e.Text }
