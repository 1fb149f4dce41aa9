package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
)

const (
	maxAnswer     = 256 << 10
	answerTimeout = 15 * time.Second
	deleteTimeout = 5 * time.Second
)

// resource is a WHIP or WHEP session on the server, and what ends it.
type resource struct {
	location string // absolute URL; "" if the server named none
	token    string
	relays   []client.TURNServer
}

// newHTTPClient makes a client for joins at a high rate that does not open
// hundreds of connections when all viewers leave at once.
func newHTTPClient() *http.Client {
	return &http.Client{
		Timeout: answerTimeout,
		Transport: &http.Transport{
			Proxy:               http.ProxyFromEnvironment,
			MaxConnsPerHost:     64,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     30 * time.Second,
		},
	}
}

// offer POSTs an SDP offer and returns the answer (RFC 9725 4.2; WHEP takes
// the same steps). Redirects are followed with the offer.
func offer(ctx context.Context, over *http.Client, to Endpoint, sdp string) (string, resource, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL, strings.NewReader(sdp))
	if err != nil {
		return "", resource{}, fmt.Errorf("the offer cannot be sent: %w", err)
	}
	req.Header.Set("Content-Type", "application/sdp")
	authorize(req, to.Token)
	resp, err := over.Do(req)
	if err != nil {
		return "", resource{}, fmt.Errorf("the server did not take the offer: %w", hideURL(err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return "", resource{}, fmt.Errorf("the answer broke off: %w", err)
	}
	if resp.StatusCode != http.StatusCreated {
		return "", resource{}, fmt.Errorf("the server answered %s: %s", resp.Status, firstLine(body))
	}
	res := resource{token: to.Token, relays: client.ReadLinks(resp.Header)}
	if l := resp.Header.Get("Location"); l != "" {
		if u, err := resp.Request.URL.Parse(l); err == nil {
			res.location = u.String()
		}
	}
	if !bytes.HasPrefix(body, []byte("v=")) {
		return "", res, fmt.Errorf("the server answered 201 without an SDP: %s", firstLine(body))
	}
	return string(body), res, nil
}

// remove ends the session with DELETE (RFC 9725 4.2). The result does not
// matter to a measurement that is over.
func (r resource) remove(ctx context.Context, client *http.Client) {
	if r.location == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, deleteTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodDelete, r.location, nil)
	if err != nil {
		return
	}
	authorize(req, r.token)
	if resp, err := client.Do(req); err == nil {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		resp.Body.Close()
	}
}

func authorize(req *http.Request, token string) {
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
}

// hideURL drops the URL from an HTTP client's error: it may hold a key. The
// addresses go too, whose ports would make every viewer's failure another one.
func hideURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err
	}
	return err
}

// plainURL is a URL without what may be secret: its user and its query.
func plainURL(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	u.User, u.RawQuery, u.Fragment = nil, "", ""
	return u.String()
}

// firstLine shortens a body for an error message.
func firstLine(body []byte) string {
	line := strings.TrimSpace(string(body[:min(len(body), 300)]))
	line, _, _ = strings.Cut(line, "\n")
	line = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return -1
		}
		return r
	}, strings.ToValidUTF8(line, ""))
	if line == "" {
		return "(empty body)"
	}
	return line
}
