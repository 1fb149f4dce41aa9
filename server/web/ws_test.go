package web

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
)

// echo is a channel that sends back what it gets.
type echo struct {
	peer   *Peer
	closed *atomic.Int32
	broken *atomic.Int32 // of these, broken off
}

func (e echo) Handle(_ context.Context, msg json.RawMessage) error {
	if strings.Contains(string(msg), "refuse") {
		return errors.New("this is refused")
	}
	if strings.Contains(string(msg), "fault") {
		var none map[string]int
		none["x"] = 1
	}
	return e.peer.Send(msg)
}

func (e echo) Close(broken bool) {
	if broken {
		e.broken.Add(1)
	}
	e.closed.Add(1)
}

// door is a running server with the channel "echo".
type door struct {
	*fixture
	addr   string
	peers  chan *Peer
	closed *atomic.Int32
	broken *atomic.Int32
	stop   func()
}

func newDoor(t *testing.T, change ...func(*Server)) *door {
	t.Helper()
	d := &door{peers: make(chan *Peer, 100), closed: new(atomic.Int32), broken: new(atomic.Int32)}
	d.fixture = newFixture(t, func(c *Config) {
		c.Channels = map[string]Open{"echo": func(p *Peer) Channel {
			d.peers <- p
			return echo{p, d.closed, d.broken}
		}}
	})
	for _, f := range change {
		f(d.Server)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	d.addr = ln.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx, ln) }()
	d.stop = sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-ended)
	})
	t.Cleanup(d.stop)
	return d
}

func (d *door) dial(t *testing.T, header http.Header) *websocket.Conn {
	t.Helper()
	conn, res, err := websocket.DefaultDialer.Dial("ws://"+d.addr+"/ws", header)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	return conn
}

func (d *door) greeted(t *testing.T) *websocket.Conn {
	t.Helper()
	conn := d.dial(t, nil)
	send(t, conn, `{"type":"hello","version":1}`)
	require.Contains(t, receive(t, conn), `"type":"welcome"`)
	return conn
}

func send(t *testing.T, conn *websocket.Conn, msg string) {
	t.Helper()
	require.NoError(t, conn.WriteMessage(websocket.TextMessage, []byte(msg)))
}

func receive(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, msg, err := conn.ReadMessage()
	require.NoError(t, err)
	return string(msg)
}

// A connection that breaks off, or says that its client comes back, keeps what
// its channels hold; one that says goodbye does not.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	goodbye := func(code int) func(*testing.T, *websocket.Conn) {
		return func(t *testing.T, conn *websocket.Conn) {
			frame := websocket.FormatCloseMessage(code, "")
			require.NoError(t, conn.WriteControl(websocket.CloseMessage, frame, time.Now().Add(time.Second)))
		}
	}
	for name, c := range map[string]struct {
		end    func(*testing.T, *websocket.Conn)
		broken int32
	}{
		"cut off":       {func(_ *testing.T, conn *websocket.Conn) { _ = conn.NetConn().Close() }, 1},
		"done":          {goodbye(websocket.CloseNormalClosure), 0},
		"page left":     {goodbye(websocket.CloseGoingAway), 0},
		"no code":       {goodbye(websocket.CloseNoStatusReceived), 1},
		"to come back":  {goodbye(4000), 1},
		"a bad message": {func(t *testing.T, conn *websocket.Conn) { send(t, conn, `{"ch":"echo","x":"refuse"}`) }, 0},
		"a fault":       {func(t *testing.T, conn *websocket.Conn) { send(t, conn, `{"ch":"echo","x":"fault"}`) }, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDoor(t)
			c.end(t, d.greeted(t))
			require.Eventually(t, func() bool { return d.closed.Load() == 1 }, 10*time.Second, time.Millisecond)
			require.Equal(t, c.broken, d.broken.Load())
		})
	}
	t.Run("the server ends", func(t *testing.T) {
		t.Parallel()
		d := newDoor(t)
		d.greeted(t)
		d.stop()
		require.EqualValues(t, 1, d.closed.Load())
		require.Zero(t, d.broken.Load())
	})
}

// closedWith reads until the server closes and returns its reason.
func closedWith(t *testing.T, conn *websocket.Conn, code int) string {
	t.Helper()
	for {
		_, _, err := conn.ReadMessage()
		if err == nil {
			continue
		}
		var e *websocket.CloseError
		require.ErrorAs(t, err, &e)
		require.Equal(t, code, e.Code, e.Text)
		return e.Text
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConversation(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn := d.dial(t, nil)
	before := now()
	send(t, conn, fixtureFile(t, "client/hello-visitor.json"))
	var w map[string]any
	require.NoError(t, json.Unmarshal([]byte(receive(t, conn)), &w))
	require.Equal(t, "welcome", w["type"])
	require.Equal(t, "heliograph 0.1.0", w["server"])
	require.NotContains(t, w, "user")
	require.GreaterOrEqual(t, w["time"], before)
	p := <-d.peers
	require.Empty(t, p.Account())
	require.Empty(t, p.Token())
	require.Equal(t, conn.RemoteAddr().String(), p.Host())
	require.Equal(t, conn.LocalAddr().String(), p.Addr().String())

	send(t, conn, `{"type":"ping","t":7.5}`)
	require.Contains(t, receive(t, conn), `{"type":"pong","t":7.5,"time":`)
	send(t, conn, `{"ch":"echo","x":[1, 2]}`)
	require.JSONEq(t, `{"ch":"echo","x":[1,2]}`, receive(t, conn))
	for _, wrong := range []string{`{"ch":"chat"}`, `nonsense`, `{"type":"hello","version":1}`, `{"type":"dance"}`, `{}`, `{"ch":"` + strings.Repeat("x", 33) + `"}`} {
		send(t, conn, wrong)
		require.Contains(t, receive(t, conn), `"code":"bad_request"`, wrong)
	}
	send(t, conn, `{"type":"hello","version":1}`)
	require.Contains(t, receive(t, conn), "hello was said already")
	send(t, conn, `{"ch":"echo","still":"here"}`)
	require.Contains(t, receive(t, conn), "still")
	require.NoError(t, conn.WriteControl(websocket.CloseMessage, websocket.FormatCloseMessage(1000, ""), time.Now().Add(time.Second)))
	closedWith(t, conn, 1000)
	d.stop()
	require.EqualValues(t, 1, d.closed.Load())
}

func TestWhoIsThere(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	cookie := d.signedIn(t)
	key, err := d.auth.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	conn := d.dial(t, http.Header{"Cookie": {cookie.String()}, "Origin": {"http://" + d.addr}})
	send(t, conn, `{"type":"hello","version":1,"token":"`+key+`"}`)
	require.Contains(t, receive(t, conn), `"user":{"name":"ada","role":"admin"}`)
	p := <-d.peers
	require.Equal(t, "ada", p.Account())
	require.Equal(t, key, p.Token())
}

func TestHandshakes(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for origin, status := range map[string]int{
		"https://evil.test": 403, "null": 403, "http://" + d.addr + ".evil.test": 403, "http://127.0.0.1": 403, "": 403, "http://": 403,
		"http://" + d.addr: 101,
	} {
		conn, res, err := websocket.DefaultDialer.Dial("ws://"+d.addr+"/ws", http.Header{"Origin": {origin}})
		require.Equal(t, status, res.StatusCode, "%q", origin)
		require.NoError(t, res.Body.Close())
		if err == nil {
			require.NoError(t, conn.Close())
		}
	}
	conn, res, err := websocket.DefaultDialer.Dial("ws://"+d.addr+"/ws", http.Header{"Origin": {"http://" + d.addr, "https://evil.test"}})
	require.Error(t, err, "two origins")
	require.Nil(t, conn)
	require.NoError(t, res.Body.Close())
}

func TestRefusedHellos(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	for name, c := range map[string]struct {
		hello, answer string
		code          int
	}{
		"not first":     {`{"type":"ping"}`, "bad_request", 1008},
		"channel first": {`{"ch":"echo"}`, "bad_request", 1008},
		"version":       {`{"type":"hello","version":2}`, "version 1", 1008},
		"no version":    {`{"type":"hello"}`, "version 1", 1008},
		"wrong token":   {fixtureFile(t, "client/hello.json"), "unauthenticated", 1008},
		"nonsense":      {"hello", "bad_request", 1008},
		"too large":     {`{"type":"hello","version":1,"token":"` + strings.Repeat("x", 4096) + `"}`, "", 1009},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := d.dial(t, nil)
			send(t, conn, c.hello)
			if c.answer != "" {
				require.Contains(t, receive(t, conn), c.answer)
			}
			closedWith(t, conn, c.code)
		})
	}
	t.Cleanup(func() { require.Empty(t, d.peers, "no channel was opened") })
}

func TestThrottledHello(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	conn := d.dial(t, nil)
	var err error
	for range 10_000 {
		if err = d.auth.Bearer(t.Context(), "wrong", netip.MustParseAddr("127.0.0.1")); errors.Is(err, auth.ErrThrottled) {
			break
		}
	}
	require.ErrorIs(t, err, auth.ErrThrottled)
	send(t, conn, `{"type":"hello","version":1,"token":"wrong"}`)
	var answer map[string]any
	require.NoError(t, json.Unmarshal([]byte(receive(t, conn)), &answer))
	require.Equal(t, "throttled", answer["code"])
	require.EqualValues(t, 60, answer["retryAfter"])
	closedWith(t, conn, websocket.ClosePolicyViolation)
}

func TestNoHello(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(s *Server) { s.times.hello = 100 * time.Millisecond })
	var idle []*websocket.Conn
	for range 20 {
		idle = append(idle, d.dial(t, nil))
	}
	for _, conn := range idle {
		closedWith(t, conn, websocket.ClosePolicyViolation)
	}
	require.Empty(t, d.peers, "no channel was opened")
}

func TestLimits(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	t.Run("size", func(t *testing.T) {
		conn := d.greeted(t)
		pad := func(n int) string {
			return `{"ch":"echo","x":"` + strings.Repeat("x", n-len(`{"ch":"echo","x":""}`)) + `"}`
		}
		send(t, conn, pad(64<<10))
		require.Len(t, receive(t, conn), 64<<10)
		send(t, conn, pad(64<<10+1))
		closedWith(t, conn, websocket.CloseMessageTooBig)
	})
	t.Run("fragments", func(t *testing.T) {
		conn := d.greeted(t)
		w, err := conn.NextWriter(websocket.TextMessage)
		require.NoError(t, err)
		for range 100 { // more than the write buffer: many frames of one message
			if _, err = w.Write([]byte(strings.Repeat("x", 4096))); err != nil {
				break
			}
		}
		closedWith(t, conn, websocket.CloseMessageTooBig)
	})
	t.Run("binary", func(t *testing.T) {
		conn := d.greeted(t)
		require.NoError(t, conn.WriteMessage(websocket.BinaryMessage, []byte(`{"ch":"echo"}`)))
		closedWith(t, conn, websocket.CloseUnsupportedData)
	})
	t.Run("flood", func(t *testing.T) {
		conn := d.greeted(t)
		for range 500 {
			if conn.WriteMessage(websocket.TextMessage, []byte(`{"ch":"echo"}`)) != nil {
				break
			}
		}
		require.Equal(t, reasonFlood, closedWith(t, conn, websocket.ClosePolicyViolation))
	})
	t.Run("flood of pings", func(t *testing.T) {
		conn := d.greeted(t)
		for range 500 {
			if conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second)) != nil {
				break
			}
		}
		require.Equal(t, reasonFlood, closedWith(t, conn, websocket.ClosePolicyViolation))
	})
	t.Run("refused by the channel", func(t *testing.T) {
		conn := d.greeted(t)
		send(t, conn, `{"ch":"echo","do":"refuse"}`)
		require.Equal(t, "this is refused", closedWith(t, conn, websocket.ClosePolicyViolation))
	})
	t.Run("fault", func(t *testing.T) {
		other := d.greeted(t)
		conn := d.greeted(t)
		send(t, conn, `{"ch":"echo","do":"fault"}`)
		closedWith(t, conn, websocket.CloseInternalServerErr)
		send(t, other, `{"ch":"echo","still":"here"}`)
		require.Contains(t, receive(t, other), "still", "others are not concerned")
		require.EqualValues(t, 1, d.counts.panics.Value())
	})
	d.stop()
	require.EqualValues(t, 2, d.counts.flooding.Value())
	require.EqualValues(t, 8, d.closed.Load(), "every channel was closed")
}

func TestClientThatDoesNotRead(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(s *Server) { s.times.goodbye = 100 * time.Millisecond })
	d.greeted(t)
	slow := <-d.peers
	fast := d.greeted(t)
	msg := strings.Repeat("x", 32<<10)
	var err error
	for err == nil { // until the sockets' buffers and the queue are full
		err = slow.Send(msg)
	}
	require.ErrorIs(t, err, ErrSlow)
	require.ErrorIs(t, slow.Send("more"), ErrClosed)
	send(t, fast, `{"ch":"echo","still":"here"}`)
	require.Contains(t, receive(t, fast), "still", "others are not concerned")
	d.stop()
	require.EqualValues(t, 1, d.counts.slow.Value())
}

func TestClientThatFallsSilent(t *testing.T) {
	t.Parallel()
	d := newDoor(t, func(s *Server) { s.times.ping, s.times.silence = 50*time.Millisecond, time.Second })
	alive, silent := d.greeted(t), d.greeted(t)
	answers := make(chan string, 1)
	go func() { // reading is what answers pings
		_, msg, _ := alive.ReadMessage()
		answers <- string(msg)
	}()
	silent.SetPingHandler(func(string) error { return nil })
	closedWith(t, silent, websocket.ClosePolicyViolation)
	send(t, alive, `{"type":"ping"}`)
	require.Contains(t, <-answers, "pong", "who answers pings stays")
}

func TestStopTellsEverybody(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	first, second := d.greeted(t), d.dial(t, nil)
	require.Eventually(t, func() bool { return d.Server.peers.count() == 2 }, 10*time.Second, time.Millisecond)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _, _ = second.ReadMessage()
	}()
	go d.stop()
	closedWith(t, first, websocket.CloseServiceRestart)
	<-read
	d.stop()
	require.Zero(t, d.Server.peers.count())
}
