package reach

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/heliograph/heliograph/server/rtc/offer"
)

const typeSDP = "application/sdp"

// retryAfter is the wait, in seconds, that goes with 429 and 503.
const retryAfter = 2

// ServeHTTP takes POST /reach.
func (d *Door) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*") // it needs no cookie and reads none
	h.Set("Access-Control-Allow-Methods", "POST, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "Content-Type")
	h.Set("Access-Control-Expose-Headers", "Link, Retry-After")
	h.Set("Access-Control-Max-Age", "86400")
	h.Set("Cache-Control", "no-store")
	switch r.Method {
	case http.MethodPost:
		if p := d.post(w, r); p != nil {
			p.write(w)
		}
	case http.MethodOptions:
		h.Set("Accept-Post", typeSDP)
		w.WriteHeader(http.StatusOK)
	default:
		h.Set("Allow", "OPTIONS, POST")
		(&problem{Status: http.StatusMethodNotAllowed, Code: "method_not_allowed", Detail: "This URL takes POST."}).write(w)
	}
}

// post begins a test and answers it, or returns why not.
func (d *Door) post(w http.ResponseWriter, r *http.Request) *problem {
	from, _ := netip.ParseAddrPort(r.RemoteAddr)
	client := from.Addr().Unmap()
	if !client.IsLoopback() && !d.posts.Allow(client) {
		return d.explain(errTooMany)
	}
	body, p := readOffer(w, r)
	if p != nil {
		return p
	}
	sections, err := parseOffer(body)
	if err != nil {
		return d.explain(err)
	}
	t, err := d.begin(client)
	if err != nil {
		return d.explain(err)
	}
	d.counts.opened.Inc()
	d.cfg.Links(w.Header(), t.holder(), r.Host)
	if t.ended.Load() { // meanwhile: its credentials were revoked before they were made
		d.cfg.Revoke(t.holder())
	}
	w.Header().Set("Content-Type", typeSDP)
	w.WriteHeader(http.StatusCreated)
	a := answer{credentials: t.credentials, fingerprint: noCertificate(), candidates: d.cfg.Port.Candidates(), id: sessionID()}
	_, _ = io.WriteString(w, a.write(sections)) // a client that left needs no answer
	return nil
}

// readOffer reads the body of a POST.
func readOffer(w http.ResponseWriter, r *http.Request) (string, *problem) {
	if got, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || got != typeSDP {
		return "", &problem{Status: http.StatusUnsupportedMediaType, Code: "bad_type", Detail: "POST takes " + typeSDP + "."}
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOffer))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return "", &problem{Status: http.StatusRequestEntityTooLarge, Code: "too_large",
			Detail: fmt.Sprintf("The offer has more than %d bytes. Offer one data channel and nothing else.", maxOffer)}
	case err != nil:
		return "", &problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: "The body could not be read to its end."}
	}
	return string(b), nil
}

// explain makes a problem of an error.
func (d *Door) explain(err error) *problem {
	var wrong *offer.Error
	switch {
	case errors.As(err, &wrong):
		return &problem{Status: http.StatusBadRequest, Code: "bad_request", Detail: wrong.Text}
	case errors.Is(err, errTooMany):
		d.counts.refused.Inc()
		return &problem{Status: http.StatusTooManyRequests, Code: "throttled", retry: retryAfter,
			Detail: "Too many tests from this address. Wait a few seconds and try again."}
	case errors.Is(err, errShutdown):
		return &problem{Status: http.StatusServiceUnavailable, Code: "shutdown", retry: retryAfter,
			Detail: "The server is restarting. Try again in a few seconds."}
	}
	return &problem{Status: http.StatusInternalServerError, Code: "internal", Detail: "The server could not begin the test. Try again."}
}

// problem is an RFC 9457 problem detail.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	retry  int    // seconds, 0 for none
}

func (p *problem) write(w http.ResponseWriter) {
	p.Title = http.StatusText(p.Status)
	w.Header().Set("Content-Type", "application/problem+json")
	if p.retry > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(p.retry))
	}
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}

// noCertificate is the fingerprint of a certificate that does not exist: SDP
// wants one, and nobody will ask for it since DTLS is not answered.
func noCertificate() string {
	var hash [32]byte
	_, _ = rand.Read(hash[:]) // never fails: crypto/rand ends the program instead
	text := make([]string, len(hash))
	for i, b := range hash {
		text[i] = fmt.Sprintf("%02X", b)
	}
	return "sha-256 " + strings.Join(text, ":")
}

// sessionID is that of an SDP's o-line, a positive number of 63 bits.
func sessionID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:]) >> 1
}
