package rtc

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/egress"
	"github.com/heliograph/heliograph/server/rtc/handshake"
	"github.com/heliograph/heliograph/server/rtc/ingest"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Why a session ended or was refused, beside the hub's and auth's reasons.
var (
	ErrLost      = errors.New("the connection of the client was lost")
	ErrExpired   = errors.New("the token's time is over")
	ErrTooMany   = errors.New("too many sessions are open")
	ErrNoSession = errors.New("there is no such session")
	errMoved     = errors.New("the session was taken over by another connection")
	errTooQuick  = errors.New("too many requests")
	errPosters   = errors.New("posters come too quickly")
	errUsed      = errors.New("the id is in use")
)

// failure is an error as people and programs at a door see it.
type failure struct {
	code   string // of the WebSocket protocol
	status int    // of HTTP
	title  string
	detail string
	retry  int    // seconds, 0 for none
	codec  string // that the viewer lacks
}

// known is an error that needs no more than a text.
type known struct {
	err error
	failure
}

// refusals maps the errors of a request.
func refusals() []known {
	return []known{
		{auth.ErrName, failure{"bad_name", http.StatusBadRequest, "Bad stream name",
			"A stream's name is 1 to 64 of A-Z a-z 0-9 . _ ~ - and begins with a letter or digit.", 0, ""}},
		{auth.ErrUnauthenticated, failure{"unauthenticated", http.StatusUnauthorized, "Not signed in",
			"This needs a stream key, a token or a sign-in, and none was given or it is wrong. Check the key of the stream and try again.", 0, ""}},
		{auth.ErrDenied, failure{"denied", http.StatusForbidden, "Not allowed",
			"The key, token or user does not allow this for this stream. Use the key of this stream, or ask its owner.", 0, ""}},
		{hub.ErrDenied, failure{"denied", http.StatusForbidden, "Not allowed",
			"The key, token or user does not allow this for this stream any more. Get a new token and try again.", 0, ""}},
		{auth.ErrThrottled, failure{"throttled", http.StatusTooManyRequests, "Too many attempts",
			"Too many wrong keys or passwords came from this address. Wait a minute and try again.", 60, ""}},
		{errTooQuick, failure{"throttled", http.StatusTooManyRequests, "Too many requests",
			"Requests come too quickly from this address. Wait a second and try again.", 1, ""}},
		{errPosters, failure{"throttled", http.StatusTooManyRequests, "Too many posters",
			"A publication takes one poster every 5 s. Send the next one then.", int(posterEvery / time.Second), ""}},
		{errUsed, failure{"no_session", http.StatusConflict, "Id in use",
			"This connection has a session of that id already. Choose another id, or stop that session first.", 0, ""}},
		{ErrTooMany, failure{"throttled", http.StatusTooManyRequests, "Too many sessions",
			"Too many sessions are open for this key, token or address. Close one, or wait until one ends, and try again.", 20, ""}},
		{hub.ErrBusy, failure{"busy", http.StatusConflict, "Stream in use",
			"Somebody else is publishing under this name. Choose another name, or wait until that stream has ended.", 10, ""}},
		{hub.ErrNotLive, failure{"not_live", http.StatusConflict, "Not live",
			"Nobody is publishing this stream now. Try again when it is live.", 2, ""}},
		{hub.ErrShutdown, failure{"shutdown", http.StatusServiceUnavailable, "Restarting",
			"The server restarts. Connect again in 2 s.", 2, ""}},
	}
}

// ends maps the reasons for which a session ends.
func ends() []known {
	lost := failure{"lost", http.StatusGone, "Lost",
		"Nothing was heard from your media for a while. Check the network and connect again.", 0, ""}
	closed := failure{"lost", http.StatusGone, "Closed",
		"The connection for media was closed from your side. Connect again to go on.", 0, ""}
	unconnected := failure{"lost", http.StatusGone, "Lost",
		"Your media never arrived. Check that the network lets UDP through to this server's port, and connect again.", 0, ""}
	stranger := failure{"bad_request", http.StatusUnprocessableEntity, "Another certificate",
		"The certificate is not the one that the first offer named. Start a new session instead of restarting this one.", 0, ""}
	return []known{
		{errMoved, failure{"replaced", http.StatusConflict, "Taken over",
			"The session goes on over another connection of its client.", 0, ""}},
		{hub.ErrReplaced, failure{"replaced", http.StatusConflict, "Replaced",
			"The same publisher connected again elsewhere. This connection has ended.", 0, ""}},
		{hub.ErrEnded, failure{"ended", http.StatusGone, "Ended",
			"The publisher ended the stream, or did not come back.", 0, ""}},
		{ErrNoSession, failure{"no_session", http.StatusNotFound, "No such session",
			"There is no such session, or it has ended. Start a new one.", 0, ""}},
		{ErrExpired, failure{"expired", http.StatusUnauthorized, "Token expired",
			"The token's time is over. Get a new token and connect again.", 0, ""}},
		{ErrLost, lost},
		{ingest.ErrLost, lost},
		{egress.ErrLost, lost},
		{ingest.ErrHungUp, closed},
		{handshake.ErrHungUp, closed},
		{handshake.ErrFailed, failure{"lost", http.StatusGone, "Not secured",
			"The media could not be secured (DTLS). Connect again; if it stays so, another program or network is in between.", 0, ""}},
		{egress.ErrAbusive, failure{"throttled", http.StatusTooManyRequests, "Too much feedback",
			"For 10 s this player asked for far more than any player needs, so the server let it go. Connect again; if it happens again, use another player.", 20, ""}},
		{ingest.ErrUnconnected, unconnected},
		{egress.ErrUnconnected, unconnected},
		{handshake.ErrFingerprint, stranger},
		{ingest.ErrFingerprint, stranger},
		{ingest.ErrGarbage, failure{"bad_request", http.StatusBadRequest, "Bad media",
			"The media sent could not be read, or was far too much. Check the encoder's settings and connect again.", 0, ""}},
	}
}

// whyNot says why a viewer cannot play a stream: what is wrong with the stream
// and how its publisher mends it, else what the viewer lacks.
func whyNot(e *egress.UnsupportedError) string {
	for _, d := range e.Diagnoses {
		if d.Kind == e.Kind.String() && d.Code != media.CodeLongGOP {
			return d.Text + " The publisher can mend it: " + d.Fix
		}
	}
	return fmt.Sprintf("The stream is sent as %s, and the offer has no decoder for it. Watch with a browser or player that decodes %s, or ask the publisher for another codec.", e.Codec, e.Codec)
}

// explain says what happened, why, and what to do.
func explain(err error) failure {
	var lacks *egress.UnsupportedError
	if errors.As(err, &lacks) {
		return failure{"unsupported_codec", http.StatusNotAcceptable, "Codec not supported", whyNot(lacks), 0, lacks.Codec}
	}
	var bad *offer.Error
	if errors.As(err, &bad) {
		f := failure{"bad_request", http.StatusBadRequest, "Malformed", bad.Text, 0, ""}
		if bad.Unusable {
			f.status, f.title = http.StatusUnprocessableEntity, "Cannot be done"
		}
		return f
	}
	var unavailable *hub.UnavailableError
	if errors.As(err, &unavailable) {
		return failure{"not_live", http.StatusConflict, "Not live", unavailable.Detail, 5, ""}
	}
	for _, f := range append(refusals(), ends()...) {
		if errors.Is(err, f.err) {
			return f.failure
		}
	}
	return failure{"internal", http.StatusInternalServerError, "Internal error",
		"A fault of the server, written to its log. Try again in a moment.", 2, ""}
}
