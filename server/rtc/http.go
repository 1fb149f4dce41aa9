package rtc

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtc/ingest"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Requests of one address that the HTTP doors take.
const (
	postsPerSecond   = 10
	postBurst        = 20
	changesPerSecond = 10 // PATCH and DELETE
	changeBurst      = 64 // an office behind one address may leave at once
)

const (
	typeSDP     = "application/sdp"
	typeTrickle = "application/trickle-ice-sdpfrag"
)

// door is the HTTP handler of WHIP or WHEP.
type door struct {
	// set at construction
	s       *Server
	proto   string // "whip" or "whep", also the first element of the path
	action  auth.Action
	posts   *addressLimit
	changes *addressLimit
}

func newDoor(s *Server, proto string, a auth.Action) *door {
	return &door{
		s: s, proto: proto, action: a,
		posts:   newAddressLimit(postsPerSecond, postBurst),
		changes: newAddressLimit(changesPerSecond, changeBurst),
	}
}

// ServeHTTP implements http.Handler.
func (d *door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setCORS(w.Header())
	if r.Method == http.MethodOptions {
		w.Header().Set("Accept-Post", typeSDP)
		w.WriteHeader(http.StatusOK)
		return
	}
	stream, session, err := d.path(r.URL.Path)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	switch {
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		err = d.look(w, r, stream, session)
	case session == "" && r.Method == http.MethodPost:
		err = d.post(w, r, stream)
	case session != "" && r.Method == http.MethodPatch:
		err = d.patch(w, r, stream, session)
	case session != "" && r.Method == http.MethodDelete:
		err = d.delete(w, r, stream, session)
	default:
		methodNotAllowed(w, session)
		return
	}
	if err != nil {
		d.fail(w, r, err)
	}
}

// path reads /whip/{stream} and /whip/{stream}/{session}.
func (d *door) path(path string) (stream, session string, err error) {
	rest, ok := strings.CutPrefix(path, "/"+d.proto+"/")
	if !ok {
		return "", "", ErrNoSession
	}
	stream, session, found := strings.Cut(rest, "/")
	if !auth.ValidName(stream) {
		return "", "", auth.ErrName
	}
	if found && (session == "" || strings.Contains(session, "/")) {
		return "", "", ErrNoSession
	}
	return stream, session, nil
}

// look answers GET and HEAD, which ask only whether something is there
// (RFC 9725 section 4.1).
func (d *door) look(w http.ResponseWriter, r *http.Request, stream, session string) error {
	if session != "" && !d.s.sessions.known(session, d.proto, stream) {
		return ErrNoSession
	}
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", typeSDP)
		w.WriteHeader(http.StatusOK)
		return nil
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// check finds out who asks.
func (d *door) check(r *http.Request, stream string, addr netip.AddrPort) (auth.Grant, error) {
	token, _ := bearer(r.Header.Get("Authorization"))
	return d.s.cfg.Checker.Check(r.Context(), auth.Request{
		Action: d.action, Stream: stream, Token: token, Proto: d.proto, Addr: addr.Addr(),
	})
}

// bearer reads the token of an Authorization header; the scheme is
// case-insensitive (RFC 9110 section 11.1).
func bearer(header string) (token string, ok bool) {
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "bearer") {
		return "", false
	}
	return strings.TrimSpace(token), true
}

func (d *door) post(w http.ResponseWriter, r *http.Request, stream string) error {
	addr := remote(r)
	if !d.posts.allow(addr.Addr(), time.Now()) {
		d.s.refused.Inc()
		return errTooQuick
	}
	grant, err := d.check(r, stream, addr)
	if err != nil {
		return err
	}
	body, err := readBody(w, r, typeSDP)
	if err != nil {
		return err
	}
	p, err := d.s.open(r.Context(), request{grant: grant, proto: d.proto, addr: addr, offer: body})
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", typeSDP)
	h.Set("Location", "/"+d.proto+"/"+stream+"/"+p.session.id)
	h.Set("ETag", p.session.ice.tag())
	h.Set("Cache-Control", "no-store")
	addLinks(h, p.session.lease.servers(r.Host))
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, p.answer)
	return nil
}

// patch takes candidates that trickle and restarts ICE (RFC 9725 section 4.3).
func (d *door) patch(w http.ResponseWriter, r *http.Request, stream, id string) error {
	e, err := d.own(r, stream, id)
	if err != nil {
		return err
	}
	if !e.patches.Allow() {
		return errTooQuick
	}
	body, err := readBody(w, r, typeTrickle)
	if err != nil {
		return err
	}
	f, err := offer.ParseFragment(body)
	if err != nil {
		return err
	}
	answer, tag, err := e.patch(f, strings.Join(r.Header.Values("If-Match"), ","), d.s.cfg.Port.Candidates())
	if err != nil {
		return err
	}
	if answer == "" {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	h := w.Header()
	h.Set("Content-Type", typeTrickle)
	h.Set("ETag", tag)
	h.Set("Cache-Control", "no-store")
	_, _ = io.WriteString(w, answer)
	return nil
}

// delete ends a session. If-Match is ignored (RFC 9725 section 4.3.1).
func (d *door) delete(w http.ResponseWriter, r *http.Request, stream, id string) error {
	grant, err := d.mayChange(r, stream)
	if err != nil {
		return err
	}
	e, err := d.s.sessions.get(id, d.proto, grant)
	if err != nil {
		e, err = d.s.sessions.takeHungUp(id, d.proto, grant)
	}
	if err != nil {
		return err
	}
	e.media.Close(hub.ErrStopped)
	if p, ok := e.media.(*ingest.Publisher); ok { // it may have closed its connection before, as OBS does
		p.Publication().Close(hub.ErrEnded)
	}
	select {
	case <-e.media.Done():
	case <-r.Context().Done():
	}
	d.s.sessions.remove(e) // now, so that a second DELETE finds nothing
	w.WriteHeader(http.StatusOK)
	return nil
}

// own returns the session of a URL if the one who asks opened it. Somebody
// else's is answered as if it were not there.
func (d *door) own(r *http.Request, stream, id string) (*session, error) {
	grant, err := d.mayChange(r, stream)
	if err != nil {
		return nil, err
	}
	return d.s.sessions.get(id, d.proto, grant)
}

// mayChange checks who wants to change a session, and how often.
func (d *door) mayChange(r *http.Request, stream string) (auth.Grant, error) {
	addr := remote(r)
	if !d.changes.allow(addr.Addr(), time.Now()) {
		d.s.refused.Inc()
		return auth.Grant{}, errTooQuick
	}
	return d.check(r, stream, addr)
}

// Errors that only HTTP has.
var (
	errMediaType = errors.New("another content type is needed")
	errTooLarge  = errors.New("the body is too large")
)

// readBody reads a body of at most offer.MaxBytes bytes of one content type, with
// whatever parameters.
func readBody(w http.ResponseWriter, r *http.Request, want string) (string, error) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != want {
		return "", errMediaType
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, offer.MaxBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", errTooLarge
	case err != nil:
		return "", offer.Malformed("The body could not be read to its end.")
	case len(b) == 0:
		return "", offer.Malformed("The body is empty. Send the SDP in it.")
	}
	return string(b), nil
}

func remote(r *http.Request) netip.AddrPort {
	a, _ := netip.ParseAddrPort(r.RemoteAddr)
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}

func setCORS(h http.Header) {
	h.Set("Access-Control-Allow-Origin", "*") // credentials are in a header, never in a cookie
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PATCH, DELETE, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match")
	h.Set("Access-Control-Expose-Headers", "Location, ETag, Link, Retry-After")
	h.Set("Access-Control-Max-Age", "86400")
}

func methodNotAllowed(w http.ResponseWriter, session string) {
	allow := "OPTIONS, GET, HEAD, POST"
	if session != "" {
		allow = "OPTIONS, GET, HEAD, PATCH, DELETE"
	}
	w.Header().Set("Allow", allow)
	writeProblem(w, failure{status: http.StatusMethodNotAllowed, title: "Method not allowed",
		detail: "This URL takes " + allow + "."})
}

// fail answers with a problem and logs a refusal once.
func (d *door) fail(w http.ResponseWriter, r *http.Request, err error) {
	f := explainHTTP(err)
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="heliograph"`)
	}
	log := d.s.log.Info
	if f.status == http.StatusInternalServerError {
		log = d.s.log.Error
	}
	stream, _, _ := d.path(r.URL.Path)
	log("request refused", "stream", stream, "proto", d.proto, "method", r.Method, "peer", r.RemoteAddr, "status", f.status, "reason", err)
	writeProblem(w, f)
}

func explainHTTP(err error) failure {
	switch {
	case errors.Is(err, errMediaType):
		return failure{status: http.StatusUnsupportedMediaType, title: "Wrong content type",
			detail: "POST takes " + typeSDP + " and PATCH takes " + typeTrickle + "."}
	case errors.Is(err, errTooLarge):
		return failure{status: http.StatusRequestEntityTooLarge, title: "Body too large",
			detail: "The body has more than " + strconv.Itoa(offer.MaxBytes) + " bytes. Offer fewer codecs or candidates."}
	case errors.Is(err, errPrecondition):
		return failure{status: http.StatusPreconditionFailed, title: "Precondition failed",
			detail: "If-Match names an older ICE session of this URL. Send the ETag of the last answer, or * to restart ICE."}
	case errors.Is(err, errUnconditional):
		return failure{status: http.StatusPreconditionRequired, title: "Precondition required",
			detail: "A PATCH needs If-Match: the ETag of the last answer for candidates, or * to restart ICE."}
	}
	return explain(err)
}

// problem is an RFC 9457 problem detail.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code,omitempty"`
	Codec  string `json:"codec,omitempty"`
}

func writeProblem(w http.ResponseWriter, f failure) {
	h := w.Header()
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	if f.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(f.retry))
	}
	w.WriteHeader(f.status)
	_ = json.NewEncoder(w).Encode(problem{f.title, f.status, f.detail, f.code, f.codec})
}
