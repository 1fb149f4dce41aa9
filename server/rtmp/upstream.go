package rtmp

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
)

// maxAnswers is how many messages another server may send where one answer is
// waited for.
const maxAnswers = 64

// upstream is a connection to another server.
type upstream struct {
	conn    *conn
	target  target
	log     *slog.Logger
	stop    func() bool
	carries map[string]bool // FourCCs that the server takes
	stream  uint32          // message stream
}

// connect connects, in up to three connections if the server asks for a user
// and password.
func (s *Sender) connect(ctx context.Context, t target) (*upstream, error) {
	query := ""
	for range 3 {
		u, err := s.dial(ctx, t)
		if err != nil {
			return nil, err
		}
		description, err := u.connect(query)
		if err == nil && description == "" {
			return u, nil
		}
		u.close()
		if err != nil {
			return nil, err
		}
		if query, err = t.answer(description, query); err != nil {
			return nil, err
		}
	}
	return nil, errPassword
}

// dial opens a connection and shakes hands.
func (s *Sender) dial(ctx context.Context, t target) (*upstream, error) {
	dial := s.Dial
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	limited, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	c, err := dial(limited, "tcp", t.host)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	_ = c.SetDeadline(time.Now().Add(answerWait))
	if t.secure {
		config := &tls.Config{}
		if s.TLS != nil {
			config = s.TLS.Clone()
		}
		if config.ServerName == "" {
			config.ServerName = t.name
		}
		secure := tls.Client(c, config)
		err, c = secure.HandshakeContext(limited), secure
	}
	if err == nil {
		err = chunk.Connect(c)
	}
	if err != nil {
		stop()
		_ = c.Close()
		return nil, err
	}
	log := s.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &upstream{conn: newConn(c), target: t, log: log, stop: stop}, nil
}

func (u *upstream) close() {
	u.stop()
	_ = u.conn.net.Close()
}

// connect sends the connect command; description is that of a rejection.
func (u *upstream) connect(query string) (description string, err error) {
	if err := u.conn.greet(); err != nil {
		return "", err
	}
	list := &amf.Array{}
	for _, code := range []string{"avc1", "hvc1", "av01", "vp09", "mp4a", "Opus"} {
		list.Items = append(list.Items, code)
	}
	object := &amf.Object{Pairs: []amf.Pair{
		{Key: "app", Value: u.target.app + query},
		{Key: "type", Value: "nonprivate"},
		{Key: "flashVer", Value: "FMLE/3.0 (compatible; Heliograph)"},
		{Key: "tcUrl", Value: u.target.url + query},
		{Key: "fourCcList", Value: list},
	}}
	if err := u.conn.command(0, "connect", 1, object); err != nil {
		return "", err
	}
	c, err := u.await(func(c command) bool { return c.id == 1 && (c.name == "_result" || c.name == "_error") })
	if err != nil {
		return "", err
	}
	said, _ := at(c.args, 0).(*amf.Object)
	if c.name == "_error" {
		if description = said.String("description"); description == "" {
			return "", &toldError{text: said.String("code")}
		}
		return description, nil
	}
	u.carries = map[string]bool{}
	for _, o := range []*amf.Object{c.object, said} {
		if o != nil {
			for code := range carriedBy(o) {
				u.carries[code] = true
			}
		}
	}
	return "", nil
}

// answer returns what the next connect has to say after a rejection.
func (t target) answer(description, before string) (query string, err error) {
	switch {
	case !strings.Contains(description, "authmod=adobe"):
		return "", &toldError{text: description}
	case t.user == "":
		return "", fmt.Errorf("%w; it wants a user and a password: rtmp://USER:PASSWORD@HOST/…", errPassword)
	case strings.Contains(description, "code=403 need auth") && before == "":
		return "?authmod=adobe&user=" + t.user, nil
	}
	_, asked, found := strings.Cut(description, "?reason=needauth")
	if !found {
		return "", errPassword
	}
	values := map[string]string{}
	for pair := range strings.SplitSeq(asked, "&") {
		key, value, _ := strings.Cut(pair, "=")
		values[key] = strings.TrimSpace(value)
	}
	own := rand.Text()
	theirs := values["opaque"]
	query = "?authmod=adobe&user=" + t.user + "&challenge=" + own
	if theirs == "" {
		theirs = values["challenge"]
	} else {
		query += "&opaque=" + theirs
	}
	return query + "&response=" + adobeResponse(t.user, values["salt"], t.pass, theirs, own), nil
}

// publish asks the server to take the stream.
func (u *upstream) publish() error {
	for i, name := range []string{"releaseStream", "FCPublish"} {
		if err := u.conn.command(0, name, float64(2+i), nil, u.target.key); err != nil {
			return err
		}
	}
	if err := u.conn.command(0, "createStream", 4, nil); err != nil {
		return err
	}
	c, err := u.await(func(c command) bool { return c.id == 4 && (c.name == "_result" || c.name == "_error") })
	if err != nil {
		return err
	}
	id, ok := at(c.args, 0).(float64)
	if !ok || c.name == "_error" {
		return errAnswer
	}
	u.stream = uint32(id)
	if err := u.conn.command(u.stream, "publish", 5, nil, u.target.key, "live"); err != nil {
		return err
	}
	c, err = u.await(func(c command) bool { return c.name == "onStatus" || c.id == 5 && c.name == "_error" })
	if err != nil {
		return err
	}
	return statusError(c)
}

// await reads until an answer comes.
func (u *upstream) await(wanted func(command) bool) (command, error) {
	_ = u.conn.net.SetReadDeadline(time.Now().Add(answerWait))
	for range maxAnswers {
		m, err := u.conn.read()
		if err != nil {
			return command{}, err
		}
		c, ok, err := commandOf(m)
		if err != nil {
			return command{}, err
		}
		if ok && wanted(c) {
			return c, nil
		}
	}
	return command{}, errAnswer
}

// statusError returns what an error status says, nil for another status.
func statusError(c command) error {
	o, _ := at(c.args, 0).(*amf.Object)
	if o.String("level") != "error" && c.name != "_error" {
		return nil
	}
	text := o.String("description")
	if text == "" {
		text = o.String("code")
	}
	return &toldError{text: text}
}

// listen reads what the server says while it takes the stream, and returns why
// it does no longer.
func (u *upstream) listen() error {
	for {
		m, err := u.conn.read()
		if err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
		c, ok, err := commandOf(m)
		if err != nil {
			return err
		}
		if ok && c.name == "onStatus" {
			if err := statusError(c); err != nil {
				return err
			}
		}
	}
}

// leave ends the stream at the server, and wakes who listens to it.
func (u *upstream) leave() {
	u.stop() // its deadline has passed when ctx has ended, and a word must still go out
	_ = u.conn.command(0, "FCUnpublish", 6, nil, u.target.key)
	_ = u.conn.command(0, "deleteStream", 7, nil, float64(u.stream))
	_ = u.conn.net.SetReadDeadline(time.Now())
}
