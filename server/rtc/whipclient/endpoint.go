package whipclient

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Bounds of what an endpoint may do.
const (
	maxAnswer   = 256 << 10 // bytes of an answer
	maxWords    = 300       // characters of an explanation that is shown
	requestTime = 10 * time.Second
	hangUpTime  = 3 * time.Second
	maxRedirect = 3
)

const typeSDP = "application/sdp"

var errAddress = errors.New("the address has to be an http, https, whip or whips URL")

// endpoint is a WHIP endpoint and, once there is one, its session.
type endpoint struct {
	// set at construction
	url    url.URL
	token  string
	client *http.Client

	// owned by the caller of post
	session *url.URL
}

func newEndpoint(target *url.URL, dial func(ctx context.Context, network, address string) (net.Conn, error)) (*endpoint, error) {
	e := &endpoint{url: *target}
	switch target.Scheme {
	case "http", "https":
	case "whip":
		e.url.Scheme = "http"
	case "whips":
		e.url.Scheme = "https"
	default:
		return nil, errAddress
	}
	if target.Hostname() == "" {
		return nil, errAddress
	}
	q := target.Query()
	e.token = q.Get("token")
	if q.Has("token") {
		q.Del("token")
		e.url.RawQuery = q.Encode()
	}
	if u := target.User; u != nil {
		e.token = u.Username()
		if pass, ok := u.Password(); ok && pass != "" {
			e.token = pass
		}
		e.url.User = nil
	}
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	e.client = &http.Client{
		Transport: &http.Transport{DialContext: dial, ForceAttemptHTTP2: true, TLSHandshakeTimeout: requestTime, MaxResponseHeaderBytes: 64 << 10},
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if len(via) > maxRedirect {
				return errors.New("it redirects again and again")
			}
			return nil
		},
	}
	return e, nil
}

// close lets go of idle connections.
func (e *endpoint) close() { e.client.CloseIdleConnections() }

// local tells whether the endpoint is on this machine, where media takes the
// loopback interface.
func (e *endpoint) local() bool {
	if e.url.Hostname() == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(e.url.Hostname())
	return err == nil && a.Unmap().IsLoopback()
}

// post opens a session with an offer and returns the answer.
func (e *endpoint) post(ctx context.Context, offer string) (answer string, err error) {
	a, err := e.do(ctx, http.MethodPost, &e.url, offer)
	if err != nil {
		return "", err
	}
	if a.status != http.StatusCreated {
		return "", e.refused(a)
	}
	e.session = a.location
	if kind, _, _ := mime.ParseMediaType(a.contentType); kind != typeSDP {
		return "", errors.New("the other server's answer is no SDP; the address is probably not that of a WHIP endpoint")
	}
	return string(a.body), nil
}

// hangUp ends the session.
func (e *endpoint) hangUp(ctx context.Context) {
	if e.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, hangUpTime)
	defer cancel()
	_, _ = e.do(ctx, http.MethodDelete, e.session, "") // a server that is gone forgets the session by itself
	e.session = nil
}

// answer is what a server says to a request.
type answer struct {
	status      int
	location    *url.URL // nil for none
	contentType string
	body        []byte
}

// do makes a request. Errors do not name the address, which may hold a key.
func (e *endpoint) do(ctx context.Context, method string, to *url.URL, body string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, to.String(), strings.NewReader(body))
	if err != nil {
		return answer{}, errAddress
	}
	if body != "" {
		r.Header.Set("Content-Type", typeSDP)
	}
	if e.token != "" {
		r.Header.Set("Authorization", "Bearer "+e.token)
	}
	res, err := e.client.Do(r)
	if err != nil {
		var outer *url.Error
		if errors.As(err, &outer) {
			err = outer.Err
		}
		return answer{}, fmt.Errorf("the other server cannot be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	b, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, fmt.Errorf("reading the other server's answer: %w", err)
	}
	if len(b) > maxAnswer {
		return answer{}, errors.New("the other server's answer is far too long")
	}
	location, err := res.Location()
	if err != nil {
		location = nil
	}
	return answer{res.StatusCode, location, res.Header.Get("Content-Type"), b}, nil
}

// refused says what a status means, with the server's own words.
func (e *endpoint) refused(a answer) error {
	text := fmt.Sprintf("the other server refused with HTTP status %d", a.status)
	if hint := meaning(a.status); hint != "" {
		text += " (" + hint + ")"
	}
	if words := e.words(a.contentType, a.body); words != "" {
		text += ": " + words
	}
	return errors.New(text)
}

func meaning(status int) string {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "the token or key is missing or wrong"
	case http.StatusNotFound, http.StatusMethodNotAllowed:
		return "the address is not that of a WHIP endpoint"
	case http.StatusConflict:
		return "somebody else is publishing there"
	case http.StatusNotAcceptable, http.StatusUnprocessableEntity:
		return "it does not take what was offered"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return "it has too much to do"
	}
	return ""
}

// words returns what a server says in a problem (RFC 9457) or as plain text,
// as one line without our token.
func (e *endpoint) words(contentType string, body []byte) string {
	kind, _, _ := mime.ParseMediaType(contentType)
	text := ""
	switch {
	case strings.HasSuffix(kind, "json"):
		var p struct{ Title, Detail string }
		if json.Unmarshal(body, &p) != nil {
			return ""
		}
		text = p.Detail
		if text == "" {
			text = p.Title
		}
	case kind == "text/plain":
		text = string(bytes.ToValidUTF8(body, nil))
	}
	if e.token != "" {
		text = strings.ReplaceAll(text, e.token, "•••")
	}
	line := strings.Join(strings.FieldsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
	if short := []rune(line); len(short) > maxWords {
		line = string(short[:maxWords]) + "…"
	}
	return line
}
