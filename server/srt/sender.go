package srt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"sync"
	"time"

	gosrt "github.com/datarhei/gosrt"

	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
)

// defaultLatency is what a push asks for when its address does not say.
const defaultLatency = 120 * time.Millisecond

// Sender sends streams to other servers, as a caller.
type Sender struct {
	Dial func(ctx context.Context, network, address string) (net.Conn, error) // nil dials any address
	Log  *slog.Logger                                                         // nil discards
}

// Send sends a stream to srt://HOST:PORT?streamid=ID&passphrase=SECRET&latency=MS,
// all of whose parameters may be left out, until ctx ends, the stream ends or
// the connection fails. open subscribes to the stream, again when its codecs
// change; sent is called as bytes leave, first with 0 when connected. A stream whose
// picture cannot be carried is not sent; sound is left out. It returns nil
// when ctx ended, the subscription's reason, or why it failed; no error holds
// a secret.
func (s Sender) Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	c, err := s.call(target)
	if err != nil {
		return err
	}
	out := &outlet{sent: sent, open: func(ctx context.Context) (*feed.Feed, error) {
		sub, err := open()
		if err != nil {
			return nil, err
		}
		return s.feed(ctx, sub)
	}}
	if err := out.connect(ctx); err != nil {
		return refusal(err)
	}
	var reason error
	defer func() { out.close(reason) }()
	x, err := connect(ctx, c)
	if err != nil {
		reason = err
		return ended(ctx, err)
	}
	sent(0)
	sending, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	defer func() {
		cancel(reason)
		parts.Wait()
	}()
	parts.Go(func() { cancel(x.run(sending)) })
	reason = out.run(sending, x.write)
	if cause := context.Cause(sending); cause != nil {
		reason = cause
	}
	return ended(ctx, reason)
}

// feed opens a stream, with its picture if it has one.
func (s Sender) feed(ctx context.Context, sub *hub.Subscription) (*feed.Feed, error) {
	f, err := feed.Open(ctx, sub, feed.Config{Whole: "SRT", Accept: carries})
	if err == nil && len(f.Left()) > 0 && s.Log != nil {
		s.Log.Warn("srt: sound is left out that a transport stream cannot carry", "codec", names(f.Left()))
	}
	return f, err
}

// ended is nil when it was ctx that ended.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// call reads the address of another server.
func (s Sender) call(target *url.URL) (call, error) {
	q := target.Query()
	c := call{dial: s.Dial, address: target.Host, streamID: q.Get("streamid"), passphrase: q.Get("passphrase"), latency: defaultLatency}
	if c.dial == nil {
		c.dial = (&net.Dialer{}).DialContext
	}
	switch n := len(c.passphrase); {
	case target.Scheme != "srt" || target.Hostname() == "" || target.Port() == "":
		return call{}, errors.New("the address has to be srt://HOST:PORT?streamid=…")
	case len(c.streamID) > maxStreamID:
		return call{}, fmt.Errorf("a stream id has at most %d bytes", maxStreamID)
	case n > 0 && (n < minPassphrase || n > maxPassphrase):
		return call{}, fmt.Errorf("a passphrase has %d to %d characters", minPassphrase, maxPassphrase)
	case q.Get("mode") != "" && q.Get("mode") != "caller":
		return call{}, errors.New("only mode=caller can send to another server")
	}
	if v := q.Get("latency"); v != "" {
		ms, err := strconv.Atoi(v)
		if err != nil || ms < 0 || time.Duration(ms)*time.Millisecond > maxLatency {
			return call{}, fmt.Errorf("latency has to be 0 to %d milliseconds", maxLatency.Milliseconds())
		}
		c.latency = time.Duration(ms) * time.Millisecond
	}
	return c, nil
}

// rejectedError is the other side's refusal.
type rejectedError struct{ code uint32 }

// Error says what the code means.
func (e *rejectedError) Error() string {
	return fmt.Sprintf("the other server refused: %s (SRT code %d)", meaning(gosrt.RejectionReason(e.code)), e.code)
}

func meaning(code gosrt.RejectionReason) string {
	switch code {
	case gosrt.REJ_BADSECRET:
		return "the passphrase is wrong"
	case gosrt.REJ_UNSECURE:
		return "it wants a passphrase and got none, or got one that it does not want"
	case gosrt.REJ_VERSION:
		return "it wants a newer SRT"
	case gosrt.REJ_RESOURCE, gosrt.REJ_BACKLOG, gosrt.REJX_OVERLOAD:
		return "it has too many connections"
	case gosrt.REJ_CLOSE, gosrt.REJX_DOWN:
		return "it is shutting down"
	case gosrt.REJX_UNAUTHORIZED:
		return "the key in the stream id is missing or wrong"
	case gosrt.REJX_FORBIDDEN:
		return "the key in the stream id does not allow this"
	case gosrt.REJX_NOTFOUND:
		return "it does not know this stream"
	case gosrt.REJX_CONFLICT, gosrt.REJX_LOCKED:
		return "somebody else is publishing this stream"
	case gosrt.REJX_BAD_REQUEST, gosrt.REJX_BAD_MODE, gosrt.REJX_UNACCEPTABLE:
		return "it does not understand the stream id"
	case gosrt.REJX_NOTSUP_MEDIA:
		return "it does not take this kind of media"
	}
	return "it does not say why; check the stream id and the passphrase"
}
