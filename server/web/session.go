package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/auth"
)

const (
	cookieName = "heliograph"
	maxBody    = 4 << 10 // bytes of a REST request
)

// sessionState is the answer of everything about the session.
type sessionState struct {
	User        *auth.Account `json:"user"`
	SetupNeeded bool          `json:"setupNeeded"`
	Open        bool          `json:"open"` // anyone may publish
	Version     string        `json:"version"`
}

// account returns who is signed in, or nil. A cookie that is no session is as good as none.
func (s *Server) account(r *http.Request) (*auth.Account, error) {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return nil, nil
	}
	a, err := s.cfg.Auth.Session(r.Context(), c.Value)
	if errors.Is(err, auth.ErrUnauthenticated) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return &a, nil
}

func (s *Server) getSession(w http.ResponseWriter, r *http.Request) {
	a, err := s.account(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answerSession(w, r, http.StatusOK, a)
}

func (s *Server) answerSession(w http.ResponseWriter, r *http.Request, status int, a *auth.Account) {
	needed, err := s.cfg.Auth.SetUpNeeded(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.writeJSON(w, r, status, sessionState{User: a, SetupNeeded: needed, Open: s.cfg.Auth.Open(), Version: s.cfg.Version})
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request) {
	var body struct {
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	cred := auth.Credentials{User: body.User, Pass: body.Password, Addr: remote(r).Addr(), Old: cookieOf(r)}
	token, a, err := s.cfg.Auth.SignIn(r.Context(), cred)
	if errors.Is(err, auth.ErrUnauthenticated) {
		// One answer for an unknown name and a wrong password.
		Problem(w, http.StatusUnauthorized, codeNoSignIn, "The name or the password is wrong. Check both and try again.")
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	setCookie(w, r, token)
	s.answerSession(w, r, http.StatusOK, &a)
}

func (s *Server) signOut(w http.ResponseWriter, r *http.Request) {
	if err := s.cfg.Auth.SignOut(r.Context(), cookieOf(r)); err != nil {
		s.fail(w, r, err)
		return
	}
	setCookie(w, r, "")
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) setUp(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Token    string `json:"token"`
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if !readJSON(w, r, &body) {
		return
	}
	token, a, err := s.cfg.Auth.SetUp(r.Context(), body.Token, body.User, body.Password, remote(r).Addr())
	if errors.Is(err, auth.ErrUnauthenticated) {
		Problem(w, http.StatusUnauthorized, codeNoSignIn, "This set-up link is not valid any more. Use the one printed when the server last started.")
		return
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	setCookie(w, r, token)
	s.answerSession(w, r, http.StatusCreated, &a)
}

func cookieOf(r *http.Request) string {
	c, err := r.Cookie(cookieName)
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie keeps the session in the browser; "" removes it. Secure only where
// this server itself speaks TLS: what a header says of a proxy anybody can say.
func setCookie(w http.ResponseWriter, r *http.Request, token string) {
	c := &http.Cookie{
		Name:     cookieName,
		Value:    token,
		Path:     "/",
		MaxAge:   int(auth.SessionTTL / time.Second),
		HttpOnly: true,
		Secure:   r.TLS != nil,
		SameSite: http.SameSiteLaxMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}

// readJSON reads a small JSON object, or answers what is wrong with it.
func readJSON(w http.ResponseWriter, r *http.Request, v any) bool {
	return readObject(w, r, v, maxBody)
}

// readOptional is readObject where no body is as good as an empty object.
func readOptional(w http.ResponseWriter, r *http.Request, v any) bool {
	if r.ContentLength == 0 {
		return true
	}
	return readObject(w, r, v, maxSettings)
}

// readObject reads a JSON object of at most so many bytes, or answers what is
// wrong with it.
func readObject(w http.ResponseWriter, r *http.Request, v any, most int64) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "application/json" {
		Problem(w, http.StatusUnsupportedMediaType, codeBadRequest, "Send the request as application/json.")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, most))
	d.DisallowUnknownFields()
	err = d.Decode(v)
	if err == nil && d.More() {
		err = io.ErrUnexpectedEOF
	}
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		return true
	case errors.As(err, &tooLarge):
		Problem(w, http.StatusRequestEntityTooLarge, codeBadRequest, fmt.Sprintf("The request is larger than %d KiB.", most>>10))
	default:
		Problem(w, http.StatusBadRequest, codeBadRequest, "The request is not the JSON object this address takes.")
	}
	return false
}

// bearerOf returns the token of an Authorization header (RFC 6750 section 2.1), or "".
func bearerOf(r *http.Request) string {
	scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}
