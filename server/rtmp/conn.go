package rtmp

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/rtmp/amf"
	"github.com/heliograph/heliograph/server/rtmp/chunk"
)

const (
	proto = "rtmp"

	// ackWindow is after how many bytes each side tells the other what it got.
	ackWindow = 2_500_000
)

// Events of user control messages, section 7.1.7.
const (
	streamBegin  = 0
	streamEOF    = 1
	pingRequest  = 6
	pingResponse = 7
)

// conn is one connection after the handshake, with a deadline on every write.
// One goroutine reads; any may write.
type conn struct {
	// set at construction
	net net.Conn
	in  *chunk.Reader

	// guarded by mu
	mu     sync.Mutex
	out    *chunk.Writer
	broken error // of the first write that failed: what follows would not be understood
}

func newConn(c net.Conn) *conn {
	k := &conn{net: c, out: chunk.NewWriter(c)}
	k.in = chunk.NewReader(c, func(received uint32) error {
		return k.send(chunk.Message{Type: chunk.Acknowledge, Body: binary.BigEndian.AppendUint32(nil, received)})
	})
	return k
}

// read returns the next message that does not only concern the connection.
func (c *conn) read() (chunk.Message, error) {
	for {
		m, err := c.in.Read()
		if err != nil {
			return m, err
		}
		if m.Type != chunk.UserControl {
			return m, nil
		}
		if len(m.Body) >= 6 && binary.BigEndian.Uint16(m.Body) == pingRequest {
			if err := c.control(pingResponse, binary.BigEndian.Uint32(m.Body[2:])); err != nil {
				return m, err
			}
		}
	}
}

func (c *conn) send(list ...chunk.Message) error {
	return c.write(func() error { return c.out.Write(list...) })
}

func (c *conn) write(do func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broken == nil {
		c.broken = c.net.SetWriteDeadline(time.Now().Add(writeTime))
	}
	if c.broken == nil {
		c.broken = do()
	}
	return c.broken
}

// control sends a user control message.
func (c *conn) control(event uint16, value uint32) error {
	return c.send(chunk.Message{
		Type: chunk.UserControl,
		Body: binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint16(nil, event), value),
	})
}

// greet tells the peer our window and chunk size.
func (c *conn) greet() error {
	window := binary.BigEndian.AppendUint32(nil, ackWindow)
	err := c.send(
		chunk.Message{Type: chunk.WindowAckSize, Body: window},
		chunk.Message{Type: chunk.PeerBandwidth, Body: append(window[:4:4], 2)}, // 2: dynamic
	)
	if err != nil {
		return err
	}
	return c.write(c.out.Announce)
}

// command sends a command on a message stream.
func (c *conn) command(stream uint32, name string, id float64, args ...any) error {
	return c.send(chunk.Message{
		Type: chunk.CommandAMF0, Stream: stream, Body: amf.Write(amf.Write(nil, name, id), args...),
	})
}

// status tells what became of a stream.
func (c *conn) status(stream uint32, level, code, description string) error {
	return c.command(stream, "onStatus", 0, nil, info(level, code, description))
}

func info(level, code, description string) *amf.Object {
	return &amf.Object{Pairs: []amf.Pair{{Key: "level", Value: level}, {Key: "code", Value: code}, {Key: "description", Value: description}}}
}

// linger waits until the peer has read what it was told and closed, for a
// moment: closing first would throw away what is on its way.
func (c *conn) linger() {
	_ = c.net.SetReadDeadline(time.Now().Add(lingerTime))
	_, _ = io.CopyN(io.Discard, c.net, 1<<20)
}

// command is one that was received.
type command struct {
	name   string
	id     float64
	object *amf.Object // nil for none
	args   []any       // after the object
	stream uint32
}

// text returns an argument if it is a string, else "".
func (c command) text(i int) string {
	if i >= len(c.args) {
		return ""
	}
	s, _ := c.args[i].(string)
	return s
}

// commandOf reads a command; ok is false for another message or one that has
// no name.
func commandOf(m chunk.Message) (c command, ok bool, err error) {
	var values []any
	switch m.Type {
	case chunk.CommandAMF0:
		values, err = amf.Read(m.Body)
	case chunk.CommandAMF3:
		values, err = amf.Read3(m.Body)
	default:
		return command{}, false, nil
	}
	if err != nil || len(values) < 2 {
		return command{}, false, err
	}
	c.stream = m.Stream
	c.name, ok = values[0].(string)
	c.id, _ = values[1].(float64)
	if len(values) > 2 {
		c.object, _ = values[2].(*amf.Object)
		c.args = values[3:]
	}
	return c, ok, nil
}
