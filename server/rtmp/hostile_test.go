package rtmp

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
)

// peer is a client that says what it likes.
type peer struct {
	*conn
	t *testing.T
}

func (h *house) dial() net.Conn {
	h.t.Helper()
	c, err := net.Dial("tcp", h.srv.Addr().String())
	require.NoError(h.t, err)
	h.t.Cleanup(func() { _ = c.Close() })
	require.NoError(h.t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// peer connects and sends commands until the server begins to answer the last.
func (h *house) peer(app string) *peer {
	h.t.Helper()
	c := h.dial()
	require.NoError(h.t, chunk.Connect(c))
	p := &peer{newConn(c), h.t}
	require.NoError(h.t, p.greet())
	require.NoError(h.t, p.command(0, "connect", 1, &amf.Object{Pairs: []amf.Pair{{Key: "app", Value: app}}}))
	require.Equal(h.t, "_result", p.answer().name)
	require.NoError(h.t, p.command(0, "createStream", 2, nil))
	require.Equal(h.t, 1.0, p.answer().args[0])
	return p
}

// publisher is a peer that publishes.
func (h *house) publisher(stream string) *peer {
	h.t.Helper()
	p := h.peer("live")
	require.NoError(h.t, p.command(1, "publish", 3, nil, stream, "live"))
	require.Equal(h.t, "NetStream.Publish.Start", p.code(p.answer()))
	return p
}

func (p *peer) answer() command {
	p.t.Helper()
	for {
		m, err := p.read()
		require.NoError(p.t, err)
		if c, ok, err := commandOf(m); ok {
			require.NoError(p.t, err)
			return c
		}
	}
}

func (p *peer) code(c command) string {
	o, _ := at(c.args, 0).(*amf.Object)
	return o.String("code")
}

// closed waits until the server has closed the connection.
func (p *peer) closed() {
	p.t.Helper()
	for {
		if _, err := p.read(); err != nil {
			require.NotErrorIs(p.t, err, os.ErrDeadlineExceeded)
			return
		}
	}
}

// A server that was sent this, in all the places where it could be, still
// serves the others and has closed the connection.
func TestHostileBytes(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	header := func(kind byte, n int) []byte {
		return []byte{3, 0, 0, 0, byte(n >> 16), byte(n >> 8), byte(n), kind, 0, 0, 0, 0}
	}
	garbage := make([]byte, 8192)
	for i := range garbage {
		garbage[i] = byte(rand.Uint32())
	}
	deep := append(header(chunk.CommandAMF0, 128), []byte(strings.Repeat("\x03\x00\x01a", 32))...)
	for name, b := range map[string][]byte{
		"other protocol":    []byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		"chunk size 0":      append(header(chunk.SetChunkSize, 4), 0, 0, 0, 0),
		"message bomb":      header(chunk.Video, 1<<24-1),
		"command bomb":      header(chunk.CommandAMF0, 1<<20),
		"depth bomb":        deep,
		"media before name": header(chunk.Video, 1<<20),
		"garbage":           append([]byte{0xff}, garbage...),
	} {
		for _, shaken := range []bool{false, true} {
			c := h.dial()
			if shaken {
				require.NoError(t, chunk.Connect(c))
			} else if name != "other protocol" {
				continue
			}
			_, err := c.Write(b)
			require.NoError(t, err, name)
			_, err = io.Copy(io.Discard, c)
			if err != nil {
				require.NotContains(t, err.Error(), "timeout", name)
			}
		}
	}
	h.publisher("harbour")
	require.Zero(t, h.log.count("connection failed"), "no panic")
}

// A chunk size as large as the specification lets it be takes no memory.
func TestLargeChunks(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := h.publisher("harbour")
	require.NoError(t, p.send(chunk.Message{Type: chunk.SetChunkSize, Body: binary.BigEndian.AppendUint32(nil, 1<<31-1)}))
	require.NoError(t, p.send(chunk.Message{Type: chunk.CommandAMF0, Body: amf.Write(nil, "FCUnpublish", 4.0)}))
	require.Equal(t, "NetStream.Unpublish.Success", p.code(p.answer()))
}

// Who says nothing is put out, and keeps nobody else out.
func TestSilentConnections(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	var silent []net.Conn
	for i := range 300 {
		c := h.dial()
		if i%2 == 0 {
			_, err := c.Write(append([]byte{3}, make([]byte, i)...)) // half a handshake
			require.NoError(t, err)
		}
		silent = append(silent, c)
	}
	h.publisher("harbour")
	for _, c := range silent {
		_, err := io.Copy(io.Discard, c)
		if err != nil {
			require.NotContains(t, err.Error(), "timeout")
		}
	}
	h.publisher("quay")
}

// Commands that nobody may send, or not yet.
func TestHostileCommands(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := &peer{newConn(h.dial()), t}
	require.NoError(t, chunk.Connect(p.net))
	require.NoError(t, p.command(0, "publish", 1, nil, "harbour"))
	p.closed()

	p = h.peer("live")
	for i := range maxCommands + 1 {
		if p.command(0, "releaseStream", float64(i+3), nil, "x") != nil {
			break
		}
	}
	p.closed()

	p = h.peer("live")
	require.NoError(t, p.command(1, "publish", 3, nil))
	require.Equal(t, "NetStream.Publish.BadName", p.code(p.answer()))
	p.closed()

	p = h.peer("live")
	require.NoError(t, p.command(1, "play", 3, nil, 7.0))
	require.Equal(t, "NetStream.Play.StreamNotFound", p.code(p.answer()))

	first := h.publisher("harbour")
	second := h.peer("live")
	require.NoError(t, second.command(1, "publish", 3, nil, "harbour"))
	require.Equal(t, "NetStream.Publish.BadName", second.code(second.answer()))
	require.NoError(t, first.command(0, "deleteStream", 4, nil, 1.0))
	require.Equal(t, "NetStream.Unpublish.Success", first.code(first.answer()))
}

// A publisher whose frames are not what they are said to be is told so.
func TestLies(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := h.publisher("harbour")
	sps := []byte{0x67, 0x42, 0xc0, 0x28, 0xd9, 0x00, 0x78, 0x02, 0x27, 0xe5, 0x84, 0, 0, 3, 0, 4, 0, 0, 3, 0, 0xf0, 0x3c, 0x60, 0xc9, 0x20}
	config := append([]byte{0x17, 0, 0, 0, 0, 1, 0x42, 0xc0, 0x1e, 0xff, 0xe1, 0, byte(len(sps))}, sps...)
	config = append(config, 1, 0, 4, 0x68, 0xcb, 0x83, 0xcb)
	require.NoError(t, p.send(chunk.Message{Type: chunk.Video, Stream: 1, Body: config}))
	for i := range uint32(maxHeld + maxBad) {
		if p.send(chunk.Message{Type: chunk.Video, Stream: 1, Time: i * 40, Body: []byte{0x17, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x65}}) != nil {
			break
		}
	}
	c := p.answer()
	require.Equal(t, "NetStream.Publish.Denied", p.code(c))
	require.Contains(t, c.args[0].(*amf.Object).String("description"), "The video is not the H264 that it is said to be")
	require.Eventually(t, func() bool { return h.log.count("msg=refused") == 1 }, patience, time.Millisecond)

	p = h.publisher("quay") // a configuration that is none: the track is left out
	for i := range uint32(10) {
		require.NoError(t, p.send(
			chunk.Message{Type: chunk.Video, Stream: 1, Time: i * 40, Body: []byte{0x17, 0, 0, 0, 0, 1, 2, 3, 4, 0xff, 0xe1, 0, 1, 0, 1, 0, 1, 0}},
			chunk.Message{Type: chunk.Audio, Stream: 1, Time: i * 40, Body: []byte{0x72, 1, 2, 3}}))
	}
	h.live("quay", 1)
	require.Equal(t, media.PCMA, h.track("quay", media.Audio).Codec().Name)
	require.Equal(t, 1, h.log.count("a track is left out"))
}

// dataEvents keeps the data messages of a hub.
type dataEvents struct {
	mu   sync.Mutex
	list []*hub.Data
}

func (d *dataEvents) StreamEvent(e hub.Event) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if e.Kind == hub.StreamData {
		d.list = append(d.list, e.Data)
	}
}

func (d *dataEvents) wait(t *testing.T, n int) []*hub.Data {
	t.Helper()
	require.Eventually(t, func() bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return len(d.list) >= n
	}, patience, time.Millisecond)
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.list
}

// Data messages in AMF0 and AMF3 reach the stream, in time with its frames;
// what is malformed is dropped and hurts nothing.
func TestData(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	seen := &dataEvents{}
	defer h.hub.Observe(seen)()
	p := h.publisher("harbour")
	send := func(kind byte, at uint32, body []byte) {
		require.NoError(t, p.send(chunk.Message{Type: kind, Stream: 1, Time: at, Body: body}))
	}
	metadata := &amf.Object{Mixed: true, Pairs: []amf.Pair{{Key: "width", Value: 1280.0}, {Key: "audiocodecid", Value: 7.0}}}
	send(chunk.DataAMF0, 0, amf.Write(nil, "@setDataFrame", "onMetaData", metadata))
	for i := range uint32(5) {
		send(chunk.Audio, i*20, append([]byte{0x72}, make([]byte, 160)...))
	}
	send(chunk.DataAMF0, 80, []byte{3, 0, 1, 'a'})
	send(chunk.DataAMF3, 80, append(append([]byte{0}, amf.Write(nil, "gps")...), 0x11, 0x0f, 5, 0, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0x40, 4, 0, 0, 0, 0, 0, 0))
	send(chunk.DataAMF0, 80, amf.Write(nil, "cue", "late", nil))
	list := seen.wait(t, 3)
	require.Equal(t, "onMetaData", list[0].Name)
	require.JSONEq(t, `[{"width":1280,"audiocodecid":7}]`, string(list[0].Value))
	require.Equal(t, "gps", list[1].Name)
	require.JSONEq(t, `[[1.5,2.5]]`, string(list[1].Value))
	require.JSONEq(t, `["late",null]`, string(list[2].Value))
	require.Equal(t, list[1].At, list[2].At)
	require.True(t, json.Valid(h.hub.Metadata("harbour").Value))
	require.WithinDuration(t, time.Now(), list[1].At, time.Second)
}

// An aggregate message is what its parts are.
func TestAggregate(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := h.publisher("harbour")
	var body []byte
	for i := range byte(20) {
		part := append([]byte{chunk.Audio, 0, 0, 161, 0, 0, i * 20 % 255, 0, 0, 0, 0, 0x72}, make([]byte, 160)...)
		body = append(append(body, part...), 0, 0, 0, 172)
	}
	require.NoError(t, p.send(chunk.Message{Type: chunk.Aggregate, Stream: 1, Time: 1000, Body: body}))
	require.NoError(t, p.send(chunk.Message{Type: chunk.DataAMF0, Stream: 1, Body: amf.Write(nil, "onMetaData", &amf.Object{Pairs: []amf.Pair{{Key: "audiocodecid", Value: 7.0}}})}))
	require.NoError(t, p.send(chunk.Message{Type: chunk.Aggregate, Stream: 1, Time: 1400, Body: body}))
	h.live("harbour", 1)
	nested := append([]byte{chunk.Aggregate, 0, 0, byte(len(body) % 200), 0, 0, 0, 0, 0, 0, 0}, body...)
	require.NoError(t, p.send(chunk.Message{Type: chunk.Aggregate, Stream: 1, Body: nested}))
	require.Equal(t, "NetStream.Publish.Denied", p.code(p.answer()))
}

// A message that breaks the limits of the transport ends its publisher, who is
// told, and nobody else.
func TestBombOfAPublisher(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true)
	p := h.publisher("harbour")
	other := h.publisher("quay")
	_, err := p.net.Write([]byte{6, 0, 0, 0, 0xff, 0xff, 0xff, chunk.Video, 1, 0, 0, 0})
	require.NoError(t, err)
	require.Equal(t, "NetStream.Publish.Denied", p.code(p.answer()))
	require.Eventually(t, func() bool { return h.log.count("beyond the limits") > 0 }, patience, time.Millisecond)
	require.NoError(t, other.command(0, "deleteStream", 4, nil, 1.0))
	require.Equal(t, "NetStream.Unpublish.Success", other.code(other.answer()))
}
