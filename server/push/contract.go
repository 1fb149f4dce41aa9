package push

import (
	"context"
	"errors"
	"net/netip"
	"net/url"

	"github.com/heliograph/heliograph/server/hub"
)

// Sender speaks one protocol to other servers.
type Sender interface {
	// Send sends a stream to a target and blocks while it does. It takes the
	// stream with open when it is ready for it, and calls sent with the number
	// of bytes that left; the first call says that the target takes the stream.
	// It returns ctx's error, why the subscription ended, or why the target
	// could not be sent to, with network errors wrapped. Where the error's text
	// is a sentence it is shown to a person as it is.
	Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(bytes int)) error
}

// Exit is a set of Senders that reach the same addresses.
type Exit struct {
	Senders map[string]Sender           // by scheme
	Allow   func(addr netip.Addr) error // nil for an address that they reach, else a netguard.ErrRefused
}

// Storage keeps the pushes by their id. What it keeps holds stream keys.
type Storage interface {
	Put(ctx context.Context, id string, body []byte) error
	All(ctx context.Context) (map[string][]byte, error)
	Delete(ctx context.Context, id string) error
}

// Why a push cannot be added, changed or removed.
var (
	ErrURL        = errors.New("the address is not right")
	ErrScheme     = errors.New("this kind of address cannot be sent to")
	ErrTwice      = errors.New("this stream is sent to this address already")
	ErrFixed      = errors.New("this push stands in the settings file, change it there")
	ErrFull       = errors.New("there are 100 pushes already, remove one first")
	ErrStreamFull = errors.New("this stream is sent to 10 addresses already, remove one first")
	ErrNotFound   = errors.New("there is no such push")
	ErrConfig     = errors.New("push: Hub, Grant, Guarded and Free are needed")
)

// errOff ends a push that was turned off or removed.
var errOff = errors.New("the push was turned off")

// Target is where a stream is sent.
type Target struct {
	Stream  string `json:"stream"`
	URL     string `json:"url"`     // with the stream key and all
	Private bool   `json:"private"` // may be on the machine's own or a private network
	Enabled bool   `json:"enabled"`
}

// State says how a push is doing.
type State string

// The states of a push.
const (
	Off        State = "off"        // turned off, or the server stops
	Waiting    State = "waiting"    // for the stream to go on air
	Connecting State = "connecting" // for the first time since it is on air
	Live       State = "live"       // the target takes the stream
	Retrying   State = "retrying"   // it failed and is tried again
)

// Info is what may be shown of a push.
type Info struct {
	ID      string `json:"id"`
	Stream  string `json:"stream"`
	URL     string `json:"url"` // with ••• for secrets
	Enabled bool   `json:"enabled"`
	Fixed   bool   `json:"fixed"` // stands in the settings file
	State   State  `json:"state"`
	Text    string `json:"text"`              // the state in a sentence
	Since   int64  `json:"since"`             // when the state began, ms since 1970
	RetryAt int64  `json:"retryAt,omitempty"` // when it is tried again, ms since 1970; 0 while it is tried
	Retries int    `json:"retries"`           // since the stream is on air, or was the last time
	Bytes   int64  `json:"bytes"`             // sent in that time
}
