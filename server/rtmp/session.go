package rtmp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
)

// maxCommands is how many messages a client may send before it publishes or
// plays.
const maxCommands = 64

// session is one client of a Server. Its methods are called by the goroutine
// of the connection.
type session struct {
	// set at construction
	server *Server
	conn   *conn
	peer   string
	addr   netip.Addr

	// set by connect
	connected bool
	app       string // with its query
	version   string // what the client calls itself
	user      string
	proves    func(secret string) bool // the answer to a challenge, nil without
	carries   map[string]bool          // FourCCs that the client plays

	streams uint32 // message streams given out
}

// refusal is a request that is not granted, and how the client is told.
type refusal struct {
	code   string // of the status
	reason string // for a person
	cause  error  // for the log; nil when reason says it all
}

// Error returns what the log says.
func (r *refusal) Error() string {
	if r.cause != nil {
		return r.cause.Error()
	}
	return r.reason
}

// run answers a client until the connection ends.
func (s *session) run(ctx context.Context) {
	if err := s.handshake(ctx); err != nil {
		s.server.log.Debug("no handshake", "proto", proto, "peer", s.peer, "err", err)
		return
	}
	_ = s.conn.net.SetReadDeadline(time.Now().Add(commandTime))
	for range maxCommands {
		m, err := s.conn.read()
		if err != nil {
			s.server.log.Debug("connection ended", "proto", proto, "peer", s.peer, "err", err)
			return
		}
		c, ok, err := commandOf(m)
		if err != nil {
			s.server.log.Debug("malformed command", "proto", proto, "peer", s.peer, "err", err)
			return
		}
		if !ok {
			continue
		}
		if again := s.answer(ctx, c); !again {
			s.conn.linger()
			return
		}
	}
}

func (s *session) handshake(ctx context.Context) error {
	_ = s.conn.net.SetDeadline(time.Now().Add(handshakeTime))
	if t, ok := s.conn.net.(*tls.Conn); ok {
		if err := t.HandshakeContext(ctx); err != nil {
			return err
		}
	}
	return chunk.Accept(s.conn.net)
}

// answer does what a command asks; again is false when the connection is to be
// closed.
func (s *session) answer(ctx context.Context, c command) (again bool) {
	if c.name != "connect" && !s.connected {
		return false
	}
	switch c.name {
	case "connect":
		return s.connect(c)
	case "createStream":
		s.streams++
		return s.conn.command(0, "_result", c.id, nil, float64(s.streams)) == nil
	case "publish":
		s.publish(ctx, c)
		return false
	case "play":
		s.play(ctx, c)
		return false
	case "releaseStream", "FCPublish", "FCSubscribe", "_checkbw", "getStreamLength":
		if c.id == 0 {
			return true
		}
		return s.conn.command(0, "_result", c.id, nil, 0.0) == nil
	}
	return true // many send commands that nobody answers
}

// connect answers the first command, section 7.2.1.1.
func (s *session) connect(c command) (again bool) {
	if s.connected || c.object == nil {
		return false
	}
	app, a, asked := adobeQuery(c.object.String("app"))
	if !asked {
		_, a, asked = adobeQuery(c.object.String("tcUrl"))
	}
	s.app, s.version = strings.TrimSpace(app), clip(c.object.String("flashVer"))
	s.carries = carriedBy(c.object)
	if again, done := s.challenge(c, a, asked); done {
		return again
	}
	s.connected = true
	if err := s.conn.greet(); err != nil {
		return false
	}
	return s.conn.command(0, "_result", c.id,
		&amf.Object{Pairs: []amf.Pair{{Key: "fmsVer", Value: "FMS/3,5,7,7009"}, {Key: "capabilities", Value: 31.0}, {Key: "mode", Value: 1.0}}},
		connectInfo()) == nil
}

// challenge goes through the steps of authmod=adobe; done is true when the
// connect was answered by it.
func (s *session) challenge(c command, a answer, asked bool) (again, done bool) {
	const needAuth = "code=403 need auth; authmod=adobe"
	all := s.server.asked
	switch {
	case !asked:
		if !asks(s.app) && !all.due(s.addr, s.version) {
			return false, false
		}
		return s.reject(c, needAuth), true
	case a.response == "":
		return s.reject(c, all.issue(s.addr, s.version, clip(a.user))), true
	}
	proves, ok := all.accept(s.addr, a)
	if !ok {
		s.refused("", auth.Publish, &refusal{reason: "the answer to a challenge came too late, twice, or was for another one"})
		return s.reject(c, "authmod=adobe ?reason=authfailed"), true
	}
	s.user, s.proves = a.user, proves
	return false, false
}

// asks tells whether an application always asks for user and password.
func asks(app string) bool {
	path, _, _ := strings.Cut(app, "?")
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	return first == askApp
}

// clip bounds a name that is told back or kept, and lets go of the rest.
func clip(s string) string {
	const most = 128
	if len(s) <= most {
		return s
	}
	return strings.Clone(s[:most])
}

// reject refuses a connect; the connection is to be closed then.
func (s *session) reject(c command, description string) (again bool) {
	_ = s.conn.command(0, "_error", c.id, nil, info("error", "NetConnection.Connect.Rejected", description))
	return false
}

// connectInfo tells that the client has connected, and which codecs we take
// (Enhanced RTMP 2, section "Enhancing NetConnection connect Command").
func connectInfo() *amf.Object {
	o := info("status", "NetConnection.Connect.Success", "Connection succeeded.")
	list := &amf.Array{}
	both := func(codes ...string) *amf.Object {
		m := &amf.Object{}
		for _, c := range codes {
			m.Pairs = append(m.Pairs, amf.Pair{Key: c, Value: 3.0}) // decodes 1 and encodes 2, that is, takes and gives
			list.Items = append(list.Items, c)
		}
		return m
	}
	o.Pairs = append(o.Pairs,
		amf.Pair{Key: "objectEncoding", Value: 0.0},
		amf.Pair{Key: "videoFourCcInfoMap", Value: both("avc1", "hvc1", "av01", "vp09")},
		amf.Pair{Key: "audioFourCcInfoMap", Value: both("mp4a", "Opus")},
		amf.Pair{Key: "fourCcList", Value: list},
		amf.Pair{Key: "capsEx", Value: 0.0})
	return o
}

// carriedBy reads which codecs of Enhanced RTMP a peer can take.
func carriedBy(o *amf.Object) map[string]bool {
	all := map[string]bool{}
	if list, ok := o.Get("fourCcList").(*amf.Array); ok {
		for _, v := range list.Items {
			if code, ok := v.(string); ok {
				all[code] = true
			}
		}
	}
	for _, key := range []string{"videoFourCcInfoMap", "audioFourCcInfoMap"} {
		if m, ok := o.Get(key).(*amf.Object); ok {
			for _, p := range m.Pairs {
				all[p.Key] = true
			}
		}
	}
	return all
}

// authorize returns the stream that a command names and the grant for it.
func (s *session) authorize(ctx context.Context, action auth.Action, name string) (string, auth.Grant, error) {
	a := addressOf(s.app, name)
	if a.stream == "" {
		return "", auth.Grant{}, errAddress
	}
	r := auth.Request{
		Action: action, Stream: a.stream, Token: a.token, User: a.user, Pass: a.pass, Proto: proto, Addr: s.addr,
	}
	if s.proves != nil && a.none() {
		r.User = s.user
		g, err := s.server.cfg.Checker.CheckProof(ctx, r, s.proves)
		if err == nil && !asks(s.app) {
			s.server.asked.answered(s.addr, s.version)
		}
		return a.stream, g, err
	}
	g, err := s.server.cfg.Checker.Check(ctx, r)
	if errors.Is(err, auth.ErrUnauthenticated) && a.none() {
		s.server.asked.refused(s.addr, s.version)
		return a.stream, g, errNoCredentials
	}
	if err == nil && !a.none() {
		s.server.asked.satisfied(s.addr, s.version)
	}
	return a.stream, g, err
}

// Errors of requests.
var (
	errAddress       = errors.New("the address is rtmp://HOST/live/STREAM")
	errNoCredentials = fmt.Errorf("%w at all", auth.ErrUnauthenticated)
	errLost          = errors.New("the connection was lost")
	errExpired       = errors.New("the key or token has expired")
)

// refusalOf says in RTMP's words why a request is not granted.
func refusalOf(action auth.Action, err error) *refusal {
	r := &refusal{code: "NetStream.Publish.Denied", cause: err}
	if action == auth.Watch {
		r.code = "NetStream.Play.Failed"
	}
	missing := func(code, reason string) {
		r.reason = reason
		if r.code = "NetStream.Publish.BadName"; action == auth.Watch {
			r.code = code
		}
	}
	const notFound = "NetStream.Play.StreamNotFound"
	var unavailable *hub.UnavailableError
	switch {
	case errors.Is(err, errAddress):
		missing(notFound, "There is no such place here: the address is rtmp://HOST/live/STREAM, or server rtmp://HOST/live with stream key STREAM?key=KEY.")
	case errors.Is(err, auth.ErrName):
		missing(notFound, "Not a stream's name: it has 1 to 64 of A-Z a-z 0-9 . _ ~ - and begins with a letter or digit.")
	case errors.Is(err, errNoCredentials):
		r.reason = "A key is missing: write STREAM?key=KEY where the stream's name goes, or use rtmp://USER:KEY@HOST/auth/STREAM."
	case errors.Is(err, auth.ErrUnauthenticated):
		r.reason = "The key, token or password is wrong for this stream, or has expired: copy it anew from the Sources page."
	case errors.Is(err, auth.ErrThrottled):
		r.reason = "Too many failed attempts from your address: wait a minute and try again."
	case errors.Is(err, auth.ErrDenied), errors.Is(err, hub.ErrDenied):
		r.reason = "This key, token or user does not allow it: ask whoever runs the server."
	case errors.Is(err, hub.ErrBusy):
		missing(notFound, "Somebody else is publishing this stream: choose another name, or end the other publication first.")
	case errors.As(err, &unavailable):
		missing(notFound, unavailable.Detail)
	case errors.Is(err, hub.ErrNotLive):
		missing(notFound, "The stream is not live: begin to publish it, then play it again.")
	case errors.Is(err, hub.ErrShutdown):
		r.reason = "The server is shutting down: try again in a minute."
	default:
		r.reason = "The server has failed: try again, and look into its log."
	}
	return r
}

// refuse tells a client that its request is not granted, and logs it once.
func (s *session) refuse(c command, action auth.Action, stream string, err error) {
	var r *refusal
	if !errors.As(err, &r) {
		r = refusalOf(action, err)
	}
	s.refused(stream, action, r)
	_ = s.conn.status(c.stream, "error", r.code, r.reason)
}

func (s *session) refused(stream string, action auth.Action, r *refusal) {
	s.server.count.refused.Inc()
	s.server.log.Warn("refused", "proto", proto, "peer", s.peer, "stream", clip(stream), "action", string(action), "reason", r.Error())
}
