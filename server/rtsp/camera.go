package rtsp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"

	"github.com/heliograph/heliograph/server/rtsp/sdp"
	"github.com/heliograph/heliograph/server/rtsp/udp"
)

// Times and bounds of a connection to a camera.
const (
	answerTime   = 5 * time.Second // for it to answer a request
	maxRedirects = 3
)

// Source says which camera to pull, and how.
type Source struct {
	URL       *url.URL // rtsp:// or rtsps://, with user and password where the camera wants them
	Transport string   // "tcp", "udp", or "auto": UDP, and TCP where it does not get through
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	Live      func() // called once, with the first media; it must not block; nil for nobody
}

// camera is the connection to a camera.
type camera struct {
	// set at construction
	source Source
	log    *slog.Logger
	client *gortsplib.Client
	url    *base.URL
	noun   string // what it is for a person

	// owned by the goroutine of the library's client
	asked     base.Method // the last request
	redirects int
	refused   error // why a redirect was not followed
	peer      netip.Addr
}

// newCamera prepares a connection; describe opens it.
func newCamera(s Source, log *slog.Logger) (*camera, error) {
	if s.URL == nil || s.URL.Hostname() == "" || (s.URL.Scheme != "rtsp" && s.URL.Scheme != "rtsps") {
		return nil, fmt.Errorf("%w: the address must begin with rtsp:// or rtsps:// and name a host", ErrUnreachable)
	}
	c := &camera{source: s, log: log, url: (*base.URL)(s.URL).Clone(), noun: "camera"}
	if s.Dial == nil {
		c.source.Dial = (&net.Dialer{}).DialContext
	}
	c.client = &gortsplib.Client{
		Scheme: c.url.Scheme, Host: c.url.Host, UserAgent: realm,
		ReadTimeout: answerTime, WriteTimeout: answerTime,
		TLSConfig:         trust(c.url.Hostname()),
		DialContext:       c.dial,
		ListenPacket:      c.listen,
		ResolveIPAddr:     func(string, string) (*net.IPAddr, error) { return nil, errors.New("not asked") },
		OnRequest:         func(r *base.Request) { c.asked = r.Method },
		OnResponse:        c.answered,
		OnTransportSwitch: func(err error) { log.Debug("rtsp: transport of a camera", "reason", err) },
		OnPacketsLost:     func(uint64) {},
		OnDecodeError:     func(error) {},
	}
	switch s.Transport {
	case "tcp":
		c.client.Protocol = protocol(gortsplib.ProtocolTCP)
	case "udp":
		c.client.Protocol = protocol(gortsplib.ProtocolUDP)
	}
	return c, nil
}

func protocol(p gortsplib.Protocol) *gortsplib.Protocol { return &p }

// trust returns how to check a camera's certificate. For an address on a private
// network nobody can vouch, and cameras make their own; there TLS keeps out who
// only listens.
func trust(host string) *tls.Config {
	a, err := netip.ParseAddr(host)
	local := err == nil && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast())
	return &tls.Config{InsecureSkipVerify: local, MinVersion: tls.VersionTLS12}
}

// dial opens the connection and notes whose it is.
func (c *camera) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.source.Dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	if c.peer = addrOf(conn.RemoteAddr()); !c.peer.IsValid() {
		_ = conn.Close()
		return nil, errors.New("the connection has no IP address")
	}
	return conn, nil
}

// listen opens a socket for media, which may come from the camera only.
func (c *camera) listen(network, addr string) (net.PacketConn, error) {
	u, err := udp.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	return confined{u, c.peer}, nil
}

// answered mends and bounds what the camera answers, before the library looks
// at it.
func (c *camera) answered(res *base.Response) {
	// Where media comes from is whom we connected to. Cameras behind a NAT name
	// an address of their own network, and others could name anybody's.
	if t := res.Header["Transport"]; len(t) == 1 {
		res.Header["Transport"] = base.HeaderValue{withoutSource(t[0])}
	}
	switch {
	case c.asked == base.Options && res.StatusCode >= 300 && res.StatusCode != base.StatusUnauthorized:
		// Some know no OPTIONS. The library would ask again and again, and give up.
		res.StatusCode = base.StatusOK
	case c.asked == base.Describe && res.StatusCode == base.StatusOK:
		res.Body = sdp.Mend(res.Body)
	case res.StatusCode >= 300 && res.StatusCode < 400:
		if err := c.redirected(res.Header["Location"]); err != nil {
			c.refused = err
			delete(res.Header, "Location")
		}
	}
}

// redirected checks where a camera sends us. A password is not taken to another
// host.
func (c *camera) redirected(location base.HeaderValue) error {
	if c.redirects++; c.redirects > maxRedirects {
		return errors.New("it sends us from one address to the next without end")
	}
	if len(location) != 1 {
		return errors.New("it sends us elsewhere and does not say where")
	}
	u, err := base.ParseURL(location[0])
	if err != nil {
		return errors.New("it sends us to an address that is not one of RTSP")
	}
	if c.url.User != nil && !strings.EqualFold(u.Hostname(), c.url.Hostname()) {
		return fmt.Errorf("it sends us to another host, %s, which does not get the password: use that host's address", plain(u.Host))
	}
	return nil
}

// withoutSource takes the address of the sender out of a Transport header.
func withoutSource(header string) string {
	parts := strings.Split(header, ";")
	kept := parts[:0]
	for _, p := range parts {
		if key, _, _ := strings.Cut(p, "="); !strings.EqualFold(strings.TrimSpace(key), "source") {
			kept = append(kept, p)
		}
	}
	return strings.Join(kept, ";")
}

// describe connects and returns the tracks of the camera.
func (c *camera) describe() (*description.Session, []Offer, error) {
	if err := c.client.Start(); err != nil {
		return nil, nil, err
	}
	d, _, err := c.client.Describe(c.url)
	if err != nil {
		c.client.Close()
		return nil, nil, c.explain(err)
	}
	return d, offersOf(d), nil
}

// Probe asks a camera what it has, and plays nothing.
func Probe(ctx context.Context, s Source) ([]Offer, error) {
	c, err := newCamera(s, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { c.client.Close() })()
	_, offers, err := c.describe()
	if err != nil {
		return nil, err
	}
	c.client.Close()
	if list, left := carried(offers); len(list) == 0 {
		return offers, noVideo(left)
	}
	return offers, nil
}
