package onvif

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Limits of a look at a camera.
const (
	lookTime   = 15 * time.Second
	maxStreams = 16
	maxURL     = 512 // bytes
	maxCreds   = 128 // bytes of user name and of password
)

// The namespaces of the services.
const (
	deviceSpace = "http://www.onvif.org/ver10/device/wsdl"
	mediaSpace  = "http://www.onvif.org/ver10/media/wsdl"
	schemaSpace = "http://www.onvif.org/ver10/schema"
)

// Stream is one stream of a camera.
type Stream struct {
	Name   string // as the camera calls it
	URL    string // of RTSP, with the user and password that were given
	Codec  string // "H264", "H265", "JPEG", ..., "" when the camera does not say
	Width  int    // pixels, 0 when the camera does not say
	Height int
}

// Streams asks a camera for its streams. Its endpoint is that of a Camera, or
// one that an admin typed; it must be on a private network. It returns
// ErrEndpoint, netguard.ErrRefused, ErrPassword, ErrAnswer, ErrStreams, or why
// the camera cannot be reached.
func (s *Scout) Streams(ctx context.Context, endpoint, user, password string) ([]Stream, error) {
	u, err := url.Parse(endpoint)
	if err != nil || len(endpoint) > maxURL || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return nil, ErrEndpoint
	}
	if len(user) > maxCreds || len(password) > maxCreds {
		return nil, ErrPassword
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/onvif/device_service" // where nearly all have it
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	c := &session{client: s.client, endpoint: u, user: user, password: password}
	if err := c.clock(ctx); err != nil {
		return nil, err
	}
	path, err := c.media(ctx)
	if err != nil {
		return nil, err
	}
	profiles, err := c.profiles(ctx, path)
	if err != nil {
		return nil, err
	}
	return c.streams(ctx, path, profiles)
}

// clock learns how far the camera's clock is off. A camera that does not say is
// taken to be right; one that does not answer is not asked for more.
func (s *session) clock(ctx context.Context) error {
	type part struct{ Year, Month, Day, Hour, Minute, Second int }
	var answer struct {
		Date part `xml:"SystemDateAndTime>UTCDateTime>Date"`
		Time part `xml:"SystemDateAndTime>UTCDateTime>Time"`
	}
	anybody := *s
	anybody.user = "" // the question is free, and a proof by the wrong clock is a failed attempt
	err := anybody.call(ctx, "", `<GetSystemDateAndTime xmlns="`+deviceSpace+`"/>`, &answer)
	if err == nil && answer.Date.Year >= 1970 && answer.Date.Year < 2200 {
		d, t := answer.Date, answer.Time
		s.skew = time.Until(time.Date(d.Year, time.Month(d.Month), d.Day, t.Hour, t.Minute, t.Second, 0, time.UTC))
	}
	if errors.Is(err, ErrAnswer) || errors.Is(err, ErrPassword) {
		return nil
	}
	return err
}

// media returns the path of the media service.
func (s *session) media(ctx context.Context) (string, error) {
	var capabilities struct {
		XAddr string `xml:"Capabilities>Media>XAddr"`
	}
	err := s.call(ctx, "", `<GetCapabilities xmlns="`+deviceSpace+`"><Category>Media</Category></GetCapabilities>`, &capabilities)
	if path, ok := pathOf(capabilities.XAddr); err == nil && ok {
		return path, nil
	}
	if fatal(err) {
		return "", err
	}
	var services struct {
		Service []struct{ Namespace, XAddr string }
	}
	err = s.call(ctx, "", `<GetServices xmlns="`+deviceSpace+`"><IncludeCapability>false</IncludeCapability></GetServices>`, &services)
	if err != nil {
		return "", err
	}
	for _, service := range services.Service {
		if path, ok := pathOf(service.XAddr); ok && service.Namespace == mediaSpace {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: it has no media service", ErrAnswer)
}

// pathOf returns the path of a service's address. The host and port are the
// camera's as it is reached: what it says of them may be from another network.
func pathOf(address string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil || u.Host == "" || u.Path == "" || len(u.Path) > maxURL {
		return "", false
	}
	return u.Path, true
}

// profile is one way in which a camera streams.
type profile struct {
	Token   string `xml:"token,attr"`
	Name    string
	Encoder struct {
		Encoding   string
		Resolution struct{ Width, Height int }
	} `xml:"VideoEncoderConfiguration"`
}

func (s *session) profiles(ctx context.Context, path string) ([]profile, error) {
	var answer struct{ Profiles []profile }
	if err := s.call(ctx, path, `<GetProfiles xmlns="`+mediaSpace+`"/>`, &answer); err != nil {
		return nil, err
	}
	return answer.Profiles[:min(len(answer.Profiles), maxStreams)], nil
}

// streams asks for the address of each profile; one that has none is left out.
func (s *session) streams(ctx context.Context, path string, profiles []profile) ([]Stream, error) {
	list := []Stream{}
	for _, p := range profiles {
		var answer struct {
			URI string `xml:"MediaUri>Uri"`
		}
		err := s.call(ctx, path, `<GetStreamUri xmlns="`+mediaSpace+`"><StreamSetup>`+
			`<Stream xmlns="`+schemaSpace+`">RTP-Unicast</Stream><Transport xmlns="`+schemaSpace+`"><Protocol>RTSP</Protocol></Transport>`+
			`</StreamSetup><ProfileToken>`+escaped(p.Token)+`</ProfileToken></GetStreamUri>`, &answer)
		if fatal(err) {
			return nil, err
		}
		if address, ok := s.address(answer.URI); err == nil && ok {
			list = append(list, p.stream(address))
		}
	}
	if len(list) == 0 {
		return nil, ErrStreams
	}
	return list, nil
}

// address returns a stream's address with the host under which the camera is
// reached, for the reason of pathOf, and with the user and password.
func (s *session) address(uri string) (string, bool) {
	u, err := url.Parse(strings.TrimSpace(uri))
	if err != nil || u.Scheme != "rtsp" && u.Scheme != "rtsps" || u.Host == "" || u.Fragment != "" {
		return "", false
	}
	u.Host = moved(u, s.endpoint.Hostname())
	if s.user != "" {
		u.User = url.UserPassword(s.user, s.password)
	}
	text := u.String()
	return text, len(text) <= maxURL
}

func (p profile) stream(address string) Stream {
	s := Stream{Name: readable(p.Name), URL: address, Codec: readable(p.Encoder.Encoding)}
	if s.Name == "" {
		s.Name = readable(p.Token)
	}
	if r := p.Encoder.Resolution; r.Width > 0 && r.Width <= 1<<16 && r.Height > 0 && r.Height <= 1<<16 {
		s.Width, s.Height = r.Width, r.Height
	}
	return s
}

// fatal tells whether an error makes further calls useless: a password that was
// refused must not be tried on, and who does not answer will not.
func fatal(err error) bool { return err != nil && !errors.Is(err, ErrAnswer) }
