package srt

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	gosrt "github.com/datarhei/gosrt"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/feed"
	"github.com/heliograph/heliograph/server/media"
)

// errCodecs is why a player that got one kind of stream cannot have the next.
var errCodecs = errors.New("the stream goes on in other codecs; connect again")

// play sends the stream that the grant names until the caller is gone or the
// stream ends. waiting bounds what comes before the answer.
func (s *session) play(ctx, waiting context.Context, grant auth.Grant) error {
	open := func(ctx context.Context) (*feed.Feed, error) {
		sub, err := s.server.cfg.Hub.Watch(ctx, grant)
		if err != nil {
			return nil, err
		}
		return feed.Open(ctx, sub, feed.Config{Accept: carries})
	}
	out := &outlet{open: open, sent: func(n int) { s.server.sent.Add(uint64(n)) }}
	if err := out.connect(waiting); err != nil {
		return refusal(err)
	}
	defer func() { out.close(s.why()) }()
	conn, err := s.accept()
	if err != nil {
		return err
	}
	s.log.Info("srt: playing", "left", names(out.feed.Left()), "encrypted", s.request.IsEncrypted())
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	gone := make(chan struct{})
	go func() { // until the connection is closed, which is below at the latest
		defer close(gone)
		err := s.read(conn, func([]byte) error { return nil })
		cancel(err)
	}()
	reason := out.run(ctx, func(b []byte) error { return push(ctx, conn, b) })
	if cause := context.Cause(ctx); cause != nil {
		reason = cause
	}
	s.close(reason)
	<-gone
	s.log.Info("srt: playing ended", "reason", reason, "dropped", out.dropped)
	return nil
}

// refusal says errMedia to a stream that a transport stream cannot carry, with
// the codecs that it has.
func refusal(err error) error {
	var lacks *feed.UnsupportedError
	if errors.As(err, &lacks) {
		return fmt.Errorf("%w: it has %s", errMedia, strings.Join(lacks.Codecs, ", "))
	}
	return err
}

func names(codecs []media.Codec) string {
	list := make([]string, len(codecs))
	for i, c := range codecs {
		list[i] = c.Name
	}
	return strings.Join(list, ", ")
}

// outlet is a stream on its way out: to a player, or to another server.
type outlet struct {
	// set at construction
	open func(ctx context.Context) (*feed.Feed, error)
	sent func(bytes int)

	// owned by the caller
	feed    *feed.Feed
	mux     *muxer
	time    time.Duration // of the newest item
	base    time.Duration // what is added to the feed's times
	dropped uint64
}

// connect opens the feed.
func (o *outlet) connect(ctx context.Context) error {
	f, err := o.open(ctx)
	if err != nil {
		return err
	}
	m, err := newMuxer(f.Tracks())
	if err != nil {
		f.Close(err)
		return err
	}
	if o.mux != nil && !slices.Equal(o.mux.kinds, m.kinds) {
		f.Close(errCodecs)
		return errCodecs
	}
	if o.mux != nil {
		m.out = o.mux.out // its counters go on
	}
	o.feed, o.mux, o.base = f, m, o.time
	return nil
}

func (o *outlet) close(reason error) {
	if o.feed != nil {
		o.feed.Close(reason)
		o.dropped += o.feed.Dropped()
		o.feed = nil
	}
}

// run writes the stream in pieces of at most payload bytes until it ends.
func (o *outlet) run(ctx context.Context, write func([]byte) error) error {
	for {
		item, err := o.feed.Next(ctx)
		if errors.Is(err, feed.ErrChanged) {
			o.close(err)
			if err := o.connect(ctx); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		item.Time += o.base
		o.time = max(o.time, item.Time)
		b, err := o.mux.append(item)
		if err != nil {
			continue // a frame that cannot be written: the next may
		}
		o.sent(len(b))
		for chunk := range slices.Chunk(b, payload) {
			if err := write(chunk); err != nil {
				return err
			}
		}
	}
}

// push writes a piece to a connection of the library, whose Write says io.EOF
// when its queue is full as well as when it is closed.
func push(ctx context.Context, c gosrt.Conn, b []byte) error {
	for {
		if _, err := c.Write(b); err == nil {
			return nil
		}
		t := time.NewTimer(time.Millisecond)
		select {
		case <-ctx.Done():
			t.Stop()
			return context.Cause(ctx)
		case <-t.C:
		}
	}
}
