package turn

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/stun/v4"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Limits of TURN over TCP.
const (
	maxStreams           = 4096
	maxStreamsPerNetwork = 64
	// authTimeout is how long a connection may live without an allocation.
	authTimeout = 15 * time.Second
	// frameTimeout is how long one message may take, either way: beyond it the
	// client is stuck or means to hold us up.
	frameTimeout = 10 * time.Second
	// idleTimeout is the life of a permission (RFC 8656 section 9) and some:
	// a client that lets it lapse has no use for the connection.
	idleTimeout = 6 * time.Minute
)

// minFrame is the shortest message that is looked at. What is shorter can only
// be ChannelData, of four bytes at most, and no media are that short.
const minFrame = 9

// errFraming says that a connection carries something else than TURN.
var errFraming = errors.New("turn: bad framing")

// listener gives the library the TURN connections, each behind its gate: when it
// comes, and again whenever it has slept.
type listener struct {
	net.Listener
	// set at construction
	server *Server
	awake  chan *stream
	done   chan struct{}
	ended  func() // tells that the library takes no more connections
	// atomic
	once sync.Once
}

func newListener(s *Server, ended func()) *listener {
	return &listener{Listener: s.cfg.Streams, server: s, awake: make(chan *stream), done: make(chan struct{}), ended: ended}
}

// run takes the connections within the limits, until no more come.
func (l *listener) run() {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return
		}
		if s := l.server.admitStream(c, l.awake); s != nil {
			l.awake <- s
			continue
		}
		l.server.count.streamErrors.Inc()
		_ = c.Close()
	}
}

// Accept waits for a connection that may have something to say. It goes on while
// there are any, as the library hears of their end by reading.
func (l *listener) Accept() (net.Conn, error) {
	select {
	case s := <-l.awake:
		return s, nil
	case <-l.done:
		l.ended()
		return nil, net.ErrClosed
	}
}

// Close is called when there are no more connections, and lets none come.
func (l *listener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

// admitStream takes a connection on, unless there are too many. It goes to awake
// when it has slept.
func (s *Server) admitStream(c net.Conn, awake chan<- *stream) *stream {
	who := clientOf(c.RemoteAddr())
	network := limit.Network(who.addr.Addr())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.streams[who] != nil || len(s.streams) >= maxStreams || s.streamsOf(network) >= maxStreamsPerNetwork {
		return nil
	}
	st := &stream{
		Conn: c, server: s, network: network, opened: time.Now(), out: newOutput(&s.chunks), awake: awake,
	}
	st.gate = gate{server: s, client: who, reply: func(b []byte) { _, _ = st.Write(b) }}
	s.streams[who] = st
	s.connected.Add(1)
	s.count.streams.Inc()
	return st
}

// streamsOf counts the connections of a network; mu is held.
func (s *Server) streamsOf(network netip.Addr) (n int) {
	for _, c := range s.streams {
		if c.network == network {
			n++
		}
	}
	return n
}

// stream is a TURN connection. Each Read returns one whole message that the
// gate has let through, so that the library's own framing, which grows without
// bound, has nothing to put together.
type stream struct {
	net.Conn
	// set at construction
	server  *Server
	gate    gate
	network netip.Addr
	opened  time.Time
	out     *output
	awake   chan<- *stream
	// owned by who reads: a goroutine of the library, or sleep
	slept error // why it need not sleep again
	// held while a message is written
	writing sync.Mutex
	// atomic
	writer, once sync.Once
	ended        atomic.Bool
}

// Read returns the next message for the library, which is done with the one
// before.
func (c *stream) Read(b []byte) (int, error) {
	c.gate.hold.release()
	for {
		frame, err := c.next(b)
		if err != nil {
			return 0, err
		}
		if len(frame) < minFrame {
			continue
		}
		if c.server.takeChannelData(c.gate.client, frame) {
			continue
		}
		if out := c.gate.admit(frame); out != nil {
			return copy(b, out), nil
		}
		c.gate.hold.release()
	}
}

// next reads one message into b, as RFC 8656 section 3.1 and 12.5 frame them. It
// keeps no buffer for more: an idle client is to cost little, and those that send
// send little.
func (c *stream) next(b []byte) ([]byte, error) {
	begun, err := c.begin(b)
	if err != nil {
		return nil, err
	}
	if err = c.Conn.SetReadDeadline(time.Now().Add(frameTimeout)); err != nil {
		return nil, err
	}
	if _, err = io.ReadFull(c.Conn, b[begun:4]); err != nil {
		return nil, err
	}
	size := frameSize(b)
	if size == 0 || size > min(len(b), maxMessage) {
		c.server.count.streamErrors.Inc()
		return nil, errFraming
	}
	if _, err = io.ReadFull(c.Conn, b[4:size]); err != nil {
		return nil, err
	}
	if b[0] <= 3 && !stun.IsMessage(b[:size]) {
		c.server.count.streamErrors.Inc()
		return nil, errFraming // no magic cookie: another protocol's bytes
	}
	return b[:size], nil
}

// patience is until when the next message must begin.
func (c *stream) patience() time.Time {
	if _, ok := c.server.allocations.owner(c.gate.client); ok {
		return time.Now().Add(idleTimeout)
	}
	return c.opened.Add(authTimeout)
}

// frameSize returns how long a message is whose first four bytes these are, or
// 0 when they begin none: STUN, or ChannelData padded to four bytes.
func frameSize(head []byte) int {
	n := int(binary.BigEndian.Uint16(head[2:]))
	switch {
	case head[0] <= 3 && n%4 == 0:
		return 20 + n
	case head[0] >= 0x40 && head[0] <= 0x4F:
		return 4 + (n+3)&^3
	}
	return 0
}

// burst queues datagrams for the writer, which begins with the first ones.
func (c *stream) burst(h header, b []byte, size int) bool {
	c.writer.Do(func() {
		c.server.mu.Lock()
		defer c.server.mu.Unlock()
		if !c.server.closed { // else nobody waits for it any more
			c.server.connected.Go(c.write)
		}
	})
	return c.out.put(h, b, size)
}

// write writes what waits, as much at once as there is, until the connection
// ends.
func (c *stream) write() {
	for range c.out.wake {
		for k := c.out.take(); k != nil; k = c.out.take() {
			_, err := c.Write(k.b[:k.n])
			c.out.free(k)
			if err != nil {
				return
			}
		}
	}
}

// Write sends whole messages. A client that takes nothing for too long is
// disconnected: its media would only get older.
func (c *stream) Write(b []byte) (int, error) {
	c.gate.hold.answered(b)
	c.writing.Lock()
	defer c.writing.Unlock()
	if err := c.Conn.SetWriteDeadline(time.Now().Add(frameTimeout)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	if err != nil {
		c.kill()
	}
	return n, err
}

// end wakes the reader for good, upon which the library closes the connection.
// It does not wait for that, as the farewell of TLS would.
func (c *stream) end() {
	c.ended.Store(true)
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
}

// kill ends the connection; the library then closes it.
func (c *stream) kill() {
	_ = c.Conn.Close()
	c.out.close()
}

// Close is called by the library when it is done with the connection.
func (c *stream) Close() error {
	err := c.Conn.Close()
	c.out.close()
	c.once.Do(func() {
		c.server.mu.Lock()
		delete(c.server.streams, c.gate.client)
		c.server.mu.Unlock()
		c.server.connected.Done()
	})
	return err
}
