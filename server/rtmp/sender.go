package rtmp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// answerWait is how long another server may take for each answer.
const answerWait = 10 * time.Second

// Sender sends streams to other servers, in the codecs that they take: H264 and
// AAC all of them, others those who name them.
type Sender struct {
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil for any address
	TLS  *tls.Config                                                       // of rtmps; nil for the usual
	Log  *slog.Logger                                                      // nil discards
}

// Send sends a stream to target, rtmp://HOST/APP/KEY or rtmps, and blocks as
// long as it does; the user part of target answers authmod=adobe. It takes the
// stream with open when the other server has said what it can take, anew when
// the stream's tracks change, and calls sent with the bytes of media that left,
// first with 0 when the other server has taken the stream. A stream whose
// picture it cannot take is not sent; sound is left out. Send returns nil when
// ctx ends, else the subscription's reason or why it failed; no error holds the
// key or the password.
func (s *Sender) Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	t := newTarget(target)
	u, err := s.connect(ctx, t)
	if err == nil {
		defer u.close()
		err = u.deliver(ctx, open, sent)
	}
	if ctx.Err() != nil {
		return nil
	}
	return t.explain(err)
}

// target is where a stream goes.
type target struct {
	secure     bool
	host       string // with the port
	name       string // host for TLS
	app        string
	url        string // of the application
	key        string
	user, pass string
}

// newTarget splits an address: the last element and the query are the key.
func newTarget(u *url.URL) target {
	t := target{secure: u.Scheme == "rtmps", name: u.Hostname()}
	port := "1935"
	if t.secure {
		port = "443"
	}
	t.host = net.JoinHostPort(t.name, cmp.Or(u.Port(), port))
	whole := strings.Trim(u.EscapedPath(), "/")
	app, key := path.Split(whole)
	t.app, t.key = strings.Trim(app, "/"), key
	if t.app == "" {
		t.app, t.key = key, ""
	}
	if u.RawQuery != "" {
		t.key += "?" + u.RawQuery
	}
	t.url = u.Scheme + "://" + u.Host + "/" + t.app
	t.user = u.User.Username()
	t.pass, _ = u.User.Password()
	return t
}

// explain makes a sentence of an error, without secrets.
func (t target) explain(err error) error {
	if err == nil || errors.Is(err, hub.ErrEnded) || errors.Is(err, hub.ErrShutdown) || errors.Is(err, hub.ErrNotLive) {
		return err
	}
	var told *toldError
	var picture *feed.PictureError
	switch {
	case errors.As(err, &picture):
		return err
	case errors.As(err, &told):
		return &toldError{fmt.Sprintf("The server at %s refuses the stream: %s", t.host, t.plain(told.text)), nil}
	case errors.Is(err, errPassword):
		return &toldError{fmt.Sprintf("The server at %s %s.", t.host, err), err}
	}
	return fmt.Errorf("sending to %s: %w", t.host, err)
}

// plain takes the secrets out of what the other server says.
func (t target) plain(text string) string {
	for _, secret := range []string{t.key, t.pass} {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "•••")
		}
	}
	return clip(strings.ToValidUTF8(text, ""))
}

// toldError is what another server says, or a sentence about it.
type toldError struct {
	text  string
	cause error
}

// Error returns the words.
func (e *toldError) Error() string { return e.text }

// Unwrap returns what caused the sentence, or nil.
func (e *toldError) Unwrap() error { return e.cause }

// Why another server does not take a stream.
var (
	errPassword = errors.New("refuses the user or the password: check them")
	errAnswer   = errors.New("the server answers what cannot be understood")
)

// deliver publishes the stream. It is opened first: of one that cannot be sent
// the other server hears nothing.
func (u *upstream) deliver(ctx context.Context, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	f, err := u.open(ctx, open)
	if err != nil {
		return err
	}
	if err := u.publish(); err != nil {
		f.Close(errGone)
		return err
	}
	sent(0)
	return u.run(ctx, f, open, sent)
}

// run sends the stream, which f has begun, until it ends, ctx does, or the
// connection fails.
func (u *upstream) run(ctx context.Context, f *feed.Feed, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	listening := make(chan struct{})
	_ = u.conn.net.SetReadDeadline(time.Time{}) // before leave may set one
	go func() {
		defer close(listening)
		defer func() {
			if r := recover(); r != nil {
				cancel(fmt.Errorf("%w: %v", errAnswer, r))
			}
		}()
		cancel(u.listen())
	}()
	defer func() {
		cancel(nil)
		u.leave()
		<-listening
	}()
	out := newOutlet(u.conn, u.stream)
	out.sent = sent
	for {
		err := out.copy(ctx, f)
		f.Close(errGone)
		if errors.Is(err, feed.ErrChanged) {
			f, err = u.open(ctx, open)
		}
		if cause := context.Cause(ctx); cause != nil {
			if err == nil {
				f.Close(errGone)
			}
			return cause
		}
		if err != nil {
			return err
		}
	}
}

// open begins one feed of the stream.
func (u *upstream) open(ctx context.Context, open func() (*hub.Subscription, error)) (*feed.Feed, error) {
	sub, err := open()
	if err != nil {
		return nil, err
	}
	f, err := feed.Open(ctx, sub, feed.Config{Whole: "RTMP", Accept: func(c media.Codec, _ media.Traits) bool { return takes(u.carries, c) }})
	if err != nil {
		return nil, err
	}
	for _, c := range f.Left() {
		u.log.Warn("sound is left out: the other server cannot take it", "proto", proto, "to", u.target.host, "codec", c.Name)
	}
	return f, nil
}

// takes is carries for a server: such of them that take G711 are few.
func takes(known map[string]bool, c media.Codec) bool {
	return c.Name != media.PCMA && c.Name != media.PCMU && carries(known, c)
}
