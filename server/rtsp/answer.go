package rtsp

import (
	"errors"
	"fmt"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
)

// Why a request is refused or a session ended, beside the hub's and auth's
// reasons.
var (
	ErrLost    = errors.New("the connection was lost")
	ErrExpired = errors.New("the token's time is over")
	ErrTooMany = errors.New("too many sessions are open")
	ErrSlow    = errors.New("the player takes the stream too slowly")

	errChallenge = errors.New("credentials are needed")
	errStale     = errors.New("the response belongs to an older challenge")
	errProof     = fmt.Errorf("%w: by Digest", auth.ErrUnauthenticated)
	errRate      = errors.New("too many requests in a second")
	errSecure    = errors.New("RTSPS carries media in its own connection only")
	errPorts     = errors.New("another session from the same address has these UDP ports")
)

// mediaError says that nothing of what was announced can be carried.
type mediaError struct{ codecs []string }

func (e *mediaError) Error() string {
	return fmt.Sprintf("no track can be carried: %s", strings.Join(e.codecs, ", "))
}

// answer is an error as RTSP says it.
type answer struct {
	err  error
	code base.StatusCode
	text string
}

func answers() []answer {
	return []answer{
		{auth.ErrName, base.StatusNotFound, "A stream's name is 1 to 64 of A-Z a-z 0-9 . _ ~ - as in rtsp://host:8554/harbour"},
		{errChallenge, base.StatusUnauthorized, "Unauthorized: a stream key is needed, rtsp://NAME:KEY@HOST:PORT/NAME"},
		{errStale, base.StatusUnauthorized, "Unauthorized"},
		{errProof, base.StatusUnauthorized, "The key, user or password is wrong. Check the stream's key. If this is an account's password, try again now."},
		{auth.ErrUnauthenticated, base.StatusUnauthorized, "The key, user or password is wrong. Check the stream's key and try again"},
		{auth.ErrDenied, base.StatusForbidden, "The key, token or user does not allow this for this stream"},
		{hub.ErrDenied, base.StatusForbidden, "The key, token or user does not allow this for this stream any more"},
		{auth.ErrThrottled, base.StatusForbidden, "Too many wrong keys or passwords came from this address. Wait a minute and try again"},
		{hub.ErrBusy, base.StatusForbidden, "Somebody else is publishing under this name. Choose another or wait until that has ended"},
		{hub.ErrNotLive, base.StatusNotFound, "Nobody is publishing this stream now. Try again when it is live"},
		{hub.ErrEnded, base.StatusNotFound, "The stream has ended. Try again when it is live"},
		{hub.ErrReplaced, base.StatusForbidden, "The same publisher connected again elsewhere"},
		{hub.ErrShutdown, base.StatusServiceUnavailable, "The server restarts. Connect again in 2 s"},
		{ErrTooMany, base.StatusNotEnoughBandwidth, "Too many sessions are open. Try again when one has ended"},
		{errPorts, base.StatusBadRequest, "Another session from this address has these UDP ports. Try again, with other ports or TCP"},
		{errSecure, base.StatusUnsupportedTransport, "RTSPS carries media in TCP only. Choose TCP"},
	}
}

// explain returns the status and the sentence for an error.
func explain(err error) (base.StatusCode, string) {
	var unavailable *hub.UnavailableError
	if errors.As(err, &unavailable) {
		return base.StatusNotFound, plain(unavailable.Detail)
	}
	var codecs *mediaError
	if errors.As(err, &codecs) {
		return base.StatusUnsupportedMediaType, plain(fmt.Sprintf(
			"Nothing of this can be carried (%s). Send H264, H265, AV1, VP8 or VP9, and AAC, Opus, G711 or G722",
			strings.Join(codecs.codecs, ", ")))
	}
	for _, a := range answers() {
		if errors.Is(err, a.err) {
			return a.code, a.text
		}
	}
	return base.StatusInternalServerError, "A fault of the server, written to its log. Try again in a moment"
}

// plain makes text fit for a status line.
func plain(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	return text[:min(len(text), most)]
}

func ok() *base.Response { return &base.Response{StatusCode: base.StatusOK} }

// refuse answers a request that is refused. The error that goes with the answer
// is nil unless the connection has to end with it.
func (s *Server) refuse(c *client, stream string, err error) (*base.Response, error) {
	code, text := explain(err)
	res := &base.Response{StatusCode: code, StatusMessage: text, Header: base.Header{}}
	if code == base.StatusUnauthorized {
		res.Header["WWW-Authenticate"] = s.challenge(c, stream, errors.Is(err, errStale))
		if !errors.Is(err, auth.ErrUnauthenticated) {
			return res, nil
		}
	}
	s.refused.Inc()
	if c.failures++; c.failures == 1 || code == base.StatusInternalServerError {
		s.cfg.Log.Warn("rtsp refused", "stream", plain(stream), "peer", c.peer, "reason", err)
	}
	if c.failures >= maxFailures || errors.Is(err, auth.ErrThrottled) {
		return res, err
	}
	return res, nil
}
