package rtsp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// sendQueue is how many packets may wait for the connection to another server.
const sendQueue = 512

// Why a stream is not sent to another server, beside ErrPassword and
// ErrUnreachable.
var (
	ErrRefused    = errors.New("the other server refuses the stream")
	ErrUnplayable = errors.New("no track of the stream can be sent by RTSP")
)

// Sender sends streams to other servers, by ANNOUNCE and RECORD in TCP.
type Sender struct {
	Log  *slog.Logger
	Dial func(ctx context.Context, network, addr string) (net.Conn, error) // nil for any address
}

// Send sends a stream to target and blocks as long as it does; the user part of
// target signs in. It subscribes with open, anew when the stream's tracks
// change, and calls sent with the bytes of media that are on their way, first
// with 0 when the other server has taken the stream. It returns nil when ctx
// ends, else the subscription's reason or why it failed, with a sentence about
// what to do.
func (s *Sender) Send(ctx context.Context, target *url.URL, open func() (*hub.Subscription, error), sent func(bytes int)) error {
	for {
		sub, err := open()
		if err != nil {
			return err
		}
		err = s.once(ctx, target, sub, sent)
		sub.Close(hub.ErrEnded)
		if ctx.Err() != nil {
			return nil
		}
		if !errors.Is(err, errChanged) {
			return err
		}
	}
}

// once sends until the tracks change.
func (s *Sender) once(ctx context.Context, target *url.URL, sub *hub.Subscription, sent func(bytes int)) error {
	if err := awaitTracks(ctx, sub); err != nil {
		return err
	}
	choice := sub.Stream().ChooseAll(playable)
	if err := s.complete(choice); err != nil {
		return err
	}
	desc, err := describe(ctx, choice)
	if err != nil {
		return &cameraError{ErrUnplayable, "The stream has neither picture nor sound that RTSP can carry.", err}
	}
	c, err := newCamera(Source{URL: target, Transport: "tcp", Dial: s.Dial}, s.Log)
	if err != nil {
		return err
	}
	c.noun = "server"
	c.client.WriteQueueSize = sendQueue
	stop := context.AfterFunc(ctx, func() { c.client.Close() })
	defer stop()
	if err := c.record(desc); err != nil {
		return err
	}
	defer c.client.Close()
	sent(0)
	st := &stage{stream: sub.Stream(), choice: choice}
	return newPump(c.client, st, desc, sent).run(ctx, sub, c)
}

// complete returns an error when the picture of a stream is left out, and logs
// when it is the sound.
func (s *Sender) complete(choice hub.Choice) error {
	for _, t := range choice.Left {
		name := t.Codec().Name
		switch {
		case t.Kind() == media.Video:
			return &cameraError{ErrUnplayable, fmt.Sprintf("The picture is %s, which RTSP cannot carry. Let the publisher send H264.", name), media.ErrCodec}
		case s.Log != nil:
			s.Log.Warn("sound is left out that RTSP cannot carry", "proto", "rtsp", "codec", name)
		}
	}
	return nil
}

// record announces a stream and begins to send it.
func (c *camera) record(d *description.Session) error {
	if err := c.client.Start(); err != nil {
		return err
	}
	_, err := c.client.Announce(c.url, d)
	if err == nil {
		err = c.client.SetupAll(c.url, d.Medias)
	}
	if err == nil {
		_, err = c.client.Record()
	}
	if err != nil {
		c.client.Close()
		return c.explainSending(err)
	}
	return nil
}

// explainSending says why another server does not take a stream.
func (c *camera) explainSending(err error) error {
	var status liberrors.ErrClientBadStatusCode
	if !errors.As(err, &status) {
		return c.explain(err)
	}
	if status.Code == base.StatusUnauthorized {
		return &cameraError{ErrPassword, fmt.Sprintf("The server at %s refuses the user, the password or the key. Check them.", c.address()), status}
	}
	text := fmt.Sprintf("The server at %s refuses the stream (%d).", c.address(), status.Code)
	if status.Message != "" {
		text += fmt.Sprintf(` It says: "%s"`, plain(status.Message))
	}
	return &cameraError{ErrRefused, text, status}
}
