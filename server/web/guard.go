package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/heliograph/heliograph/server/auth"
)

// Heavy calls reach out to other machines: a few at a time, for a while.
const (
	heavyTime       = 10 * time.Second
	testsAtOnce     = 4 // sources and cameras that are asked
	searchesAtOnce  = 1 // of the local network
	heavyRetryAfter = 5 // s
)

// heavy are the turns of heavy calls.
type heavy struct {
	// set at construction
	tests    chan struct{}
	searches chan struct{}
}

func newHeavy() heavy {
	return heavy{tests: make(chan struct{}, testsAtOnce), searches: make(chan struct{}, searchesAtOnce)}
}

// accountHandler answers a request of somebody who is signed in.
type accountHandler func(w http.ResponseWriter, r *http.Request, by auth.Account)

// atLeast lets in accounts with at least a role. Only the session counts: a
// token or key is for one stream and changes no settings.
func (s *Server) atLeast(least auth.Role, h accountHandler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := s.account(r)
		switch {
		case err != nil:
			s.fail(w, r, err)
		case a == nil:
			Problem(w, http.StatusUnauthorized, codeNoSignIn, "Sign in first. This takes an account with the role "+string(least)+" or a higher one.")
		case !a.Role.Includes(least):
			Problem(w, http.StatusForbidden, codeDenied, "Your role is "+string(a.Role)+", and this takes "+string(least)+". Ask an admin.")
		default:
			h(w, r, *a)
		}
	}
}

// offered answers 404 for what this server was started without.
func offered(on bool) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		if on {
			return next
		}
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			Problem(w, http.StatusNotFound, codeOff, "This server was started without this. Its settings say how to switch it on.")
		})
	}
}

// inTurn runs a heavy call if there is a turn left, and answers if there is none.
func (s *Server) inTurn(w http.ResponseWriter, r *http.Request, turns chan struct{}, call func(ctx context.Context)) {
	select {
	case turns <- struct{}{}:
	default:
		w.Header().Set("Retry-After", strconv.Itoa(heavyRetryAfter))
		Problem(w, http.StatusTooManyRequests, codeThrottled, "Others are testing or searching just now. Wait a few seconds and try again.")
		return
	}
	defer func() { <-turns }()
	ctx, cancel := context.WithTimeout(r.Context(), s.times.heavy)
	defer cancel()
	call(ctx)
}

// refuse answers with what a manager said, or with a fault of ours.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		Problem(w, refusal.Status, refusal.Code, refusal.Text)
	case r.Context().Err() != nil: // the client left
	case errors.Is(err, context.DeadlineExceeded):
		Problem(w, http.StatusUnprocessableEntity, "unreachable",
			"There was no answer within "+strconv.Itoa(int(heavyTime.Seconds()))+" seconds. Check the address, and that the machine is switched on.")
	default:
		s.fail(w, r, err)
	}
}
