package srt

import (
	"context"
	"errors"
	"time"

	gosrt "github.com/datarhei/gosrt"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// answerWithin is how long a caller waits for its answer, a little less than
// the 3 s after which callers give up.
const answerWithin = 2500 * time.Millisecond

// Why a request is refused, beside the hub's and auth's reasons.
var (
	errVersion    = errors.New("the caller speaks an SRT older than 1.3, which has no stream ids")
	errPackets    = errors.New("the caller's packets are smaller than 576 bytes")
	errLatency    = errors.New("the caller asks for more than 8 s of latency")
	errPlain      = errors.New("the connection is not encrypted, and this server takes encrypted ones only")
	errPassphrase = errors.New("the passphrase is neither the server's nor the stream's key")
	errMedia      = errors.New("the stream has nothing that a transport stream can carry")
)

// door checks a request and runs what it asks for. An error refuses it; when it
// has been accepted there is none.
func (s *session) door(ctx context.Context) error {
	switch {
	case s.request.Version() != 5: // the library panics at an older one's messages
		return errVersion
	case s.said.mtu < minMTU:
		return errPackets
	case s.said.latency > maxLatency:
		return errLatency
	}
	a, err := parseStreamID(s.request.StreamId())
	if err != nil {
		return err
	}
	s.access = a
	s.log = s.log.With("stream", a.stream)
	waiting, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	grant, err := s.check(waiting)
	if err != nil {
		return err
	}
	if a.action == auth.Publish {
		return s.publish(grant)
	}
	return s.play(ctx, waiting, grant)
}

// check finds out who asks. A connection that is encrypted proves that its
// caller knows the passphrase: the server's, or the stream's key. A key in the
// stream id has to be right besides.
func (s *session) check(ctx context.Context) (auth.Grant, error) {
	a := s.access
	r := auth.Request{Action: a.action, Stream: a.stream, Proto: "srt", Addr: s.peer.Addr()}
	if !s.request.IsEncrypted() {
		if s.server.cfg.Passphrase != "" {
			return auth.Grant{}, errPlain
		}
		return s.server.cfg.Checker.Check(ctx, withKey(r, a))
	}
	ours := s.server.cfg.Passphrase
	if ours != "" && s.request.SetPassphrase(ours) == nil || a.key != "" && s.opens(a.key) {
		return s.server.cfg.Checker.Check(ctx, withKey(r, a))
	}
	grant, err := s.server.cfg.Checker.CheckProof(ctx, r, s.opens)
	switch {
	case errors.Is(err, auth.ErrUnauthenticated):
		return auth.Grant{}, errPassphrase
	case err != nil || a.key == "":
		return grant, err
	}
	return s.server.cfg.Checker.Check(ctx, withKey(r, a))
}

// SRT's limits of a passphrase, in bytes.
const (
	minPassphrase = 10
	maxPassphrase = 79
)

// opens tells whether a secret is the passphrase of the connection.
func (s *session) opens(secret string) bool {
	return len(secret) >= minPassphrase && len(secret) <= maxPassphrase && s.request.SetPassphrase(secret) == nil
}

// withKey adds the key of a stream id to a request: with a user it is a
// password, unless it looks like a key or token.
func withKey(r auth.Request, a access) auth.Request {
	if a.user == "" || auth.LooksLikeBearer(a.key) {
		r.Token = a.key
	} else {
		r.User, r.Pass = a.user, a.key
	}
	return r
}

// refuse answers a request with SRT's code for a reason, and logs it.
func (s *session) refuse(err error) {
	s.server.refused.Inc()
	s.request.Reject(rejection(err))
	s.log.Warn("srt: refused", "action", s.access.action, "reason", err)
}

// rejection returns the code that callers show.
func rejection(err error) gosrt.RejectionReason {
	for _, r := range []struct {
		err  error
		code gosrt.RejectionReason
	}{
		{errVersion, gosrt.REJ_VERSION},
		{errPackets, gosrt.REJ_ROGUE},
		{errLatency, gosrt.REJX_UNACCEPTABLE},
		{errStreamID, gosrt.REJX_BAD_REQUEST},
		{errMode, gosrt.REJX_BAD_MODE},
		{errPlain, gosrt.REJ_UNSECURE},
		{errPassphrase, gosrt.REJ_BADSECRET},
		{errMedia, gosrt.REJX_NOTSUP_MEDIA},
		{auth.ErrName, gosrt.REJX_BAD_REQUEST},
		{auth.ErrUnauthenticated, gosrt.REJX_UNAUTHORIZED},
		{auth.ErrDenied, gosrt.REJX_FORBIDDEN},
		{auth.ErrThrottled, gosrt.REJX_OVERLOAD},
		{hub.ErrDenied, gosrt.REJX_FORBIDDEN},
		{hub.ErrBusy, gosrt.REJX_CONFLICT},
		{hub.ErrNotLive, gosrt.REJX_NOTFOUND},
		{hub.ErrEnded, gosrt.REJX_NOTFOUND},
		{context.DeadlineExceeded, gosrt.REJX_NOTFOUND},
		{hub.ErrShutdown, gosrt.REJ_CLOSE},
		{context.Canceled, gosrt.REJ_CLOSE},
	} {
		if errors.Is(err, r.err) {
			return r.code
		}
	}
	return gosrt.REJX_ISE
}
