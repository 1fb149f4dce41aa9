package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/heliograph/heliograph/server/auth"
)

// Codes of problems that are not in PROTOCOL.md's table.
const (
	codeNotFound   = "not_found"
	codeMethod     = "method_not_allowed"
	codeBadRequest = "bad_request"
	codeOrigin     = "foreign_origin"
	codeSetUp      = "already_set_up"
	codeThrottled  = "throttled"
	codeNoSignIn   = "unauthenticated"
	codeDenied     = "denied"
	codeOff        = "switched_off"
	codeInternal   = "internal"
)

// faultText is all that an outsider is told of our own faults.
const faultText = "The server made a mistake. Its log says more, under this time."

// retryAfter is the wait, in seconds, that goes with auth.ErrThrottled: its windows last a minute.
const retryAfter = 60

// problem is the body of RFC 9457 section 3.1, with a code for programs.
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
}

// Problem answers with an application/problem+json document (RFC 9457). The
// detail says what happened and what to do; the code is for programs.
func Problem(w http.ResponseWriter, status int, code, detail string) {
	b, err := json.Marshal(problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code})
	if err != nil {
		b = []byte("{}") // not reached: a struct of texts and a number
	}
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that left needs no answer
}

// fail maps an error of auth to its answer. Others are our own fault: logged, and not told.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	switch {
	case errors.Is(err, auth.ErrName):
		Problem(w, http.StatusBadRequest, "bad_name", sentence(auth.ErrName))
	case errors.Is(err, auth.ErrUserName), errors.Is(err, auth.ErrPassword):
		Problem(w, http.StatusBadRequest, codeBadRequest, sentence(err))
	case errors.Is(err, auth.ErrUnauthenticated):
		w.Header().Set("WWW-Authenticate", `Bearer realm="heliograph"`)
		Problem(w, http.StatusUnauthorized, codeNoSignIn, sentence(auth.ErrUnauthenticated))
	case errors.Is(err, auth.ErrDenied):
		Problem(w, http.StatusForbidden, codeDenied, sentence(auth.ErrDenied))
	case errors.Is(err, auth.ErrThrottled):
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		Problem(w, http.StatusTooManyRequests, codeThrottled, sentence(auth.ErrThrottled))
	case errors.Is(err, auth.ErrSetUp):
		Problem(w, http.StatusConflict, codeSetUp, sentence(auth.ErrSetUp))
	case errors.Is(err, auth.ErrExists):
		Problem(w, http.StatusConflict, codeBadRequest, "Somebody has this name already. Choose another.")
	default:
		s.cfg.Log.Error("request failed", "method", r.Method, "route", routeOf(r), "err", err)
		Problem(w, http.StatusInternalServerError, codeInternal, faultText)
	}
}

// sentence makes an error's text one for a person: a capital and a full stop.
func sentence(err error) string {
	t := err.Error()
	if t[0] >= 'a' && t[0] <= 'z' {
		t = string(t[0]-'a'+'A') + t[1:]
	}
	return t + "."
}

// writeJSON answers with v.
func (s *Server) writeJSON(w http.ResponseWriter, r *http.Request, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that left needs no answer
}
