package port

import (
	"container/list"
	"crypto/tls"
	"net"
	"runtime/debug"
	"time"
)

// sniffTimes are how long a connection may take to say what it is.
type sniffTimes struct {
	// first is for the first bytes, of the connection and then of what is within
	// its TLS. Browsers open connections that they may need later; they open
	// another when such a one was closed, so nobody has to keep them.
	first time.Duration
	// agree is for the handshake of TLS.
	agree time.Duration
}

func defaultTimes() sniffTimes {
	return sniffTimes{first: 5 * time.Second, agree: 10 * time.Second}
}

// mediaBuffer is what the kernel may hold of a connection's media. More would
// only be older when it arrives; 30 Mbit/s need as much for 50 ms.
const mediaBuffer = 192 << 10

// serverTLS is a copy of cfg that agrees to what is served here. Browsers name
// no protocol for TURN, but others may by RFC 7443, and who names only such as
// are unknown to us would be turned away.
func serverTLS(cfg *tls.Config) *tls.Config {
	if cfg == nil {
		return nil
	}
	own := cfg.Clone()
	own.NextProtos = append([]string{"h2", "http/1.1", "stun.turn", "stun.nat-discovery"}, cfg.NextProtos...)
	return own
}

// sniff reads the first bytes of a connection and hands it on.
func (s *streams) sniff(e *list.Element) {
	c := e.Value.(*silentConn)
	defer func() {
		if r := recover(); r != nil {
			s.port.count.panics.Inc()
			s.log.Error("connection failed", "cause", r, "stack", string(debug.Stack()))
			s.settled(e)
			_ = c.Close()
		}
	}()
	sorted, kind := s.sort(c.accepted)
	if !s.settled(e) || c.SetDeadline(time.Time{}) != nil {
		_ = c.Close()
		return
	}
	s.handOn(c.accepted, sorted, kind)
}

// settled ends the silence of a connection. It says whether the connection was
// still wanted.
func (s *streams) settled(e *list.Element) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(e)
}

// sort finds out what a connection speaks. It returns the connection to read
// that from, from the beginning.
func (s *streams) sort(c *accepted) (net.Conn, Stream) {
	prefix, kind := s.readPrefix(c)
	plain := prefixConn{Conn: c, prefix: prefix}
	switch {
	case kind != StreamTLS:
		return &plain, kind
	case s.tls == nil:
		return &plain, StreamUnknown
	}
	secure := tls.Server(&below{Conn: &plain}, s.tls)
	if !s.agree(c, secure) {
		return nil, StreamTLS
	}
	if secure.ConnectionState().NegotiatedProtocol == "h2" {
		return secure, StreamHTTP // only with this very type does net/http begin HTTP/2
	}
	prefix, kind = s.readPrefix(secure)
	if kind == StreamTLS {
		kind = StreamUnknown // no TLS in TLS
	}
	return &secureConn{prefixConn{Conn: secure, prefix: prefix}, secure, &plain}, kind
}

// agree does the handshake and says whether it went well.
func (s *streams) agree(c net.Conn, secure *tls.Conn) bool {
	if c.SetDeadline(time.Now().Add(s.times.agree)) != nil {
		return false
	}
	if err := secure.Handshake(); err != nil {
		s.log.Debug("TLS handshake failed", "peer", c.RemoteAddr(), "err", err)
		return false
	}
	s.port.count.streams.secure.Inc()
	return true
}

// readPrefix reads until it can tell what a connection speaks.
func (s *streams) readPrefix(c net.Conn) ([]byte, Stream) {
	if err := c.SetDeadline(time.Now().Add(s.times.first)); err != nil {
		return nil, StreamMore
	}
	prefix := make([]byte, 0, streamPrefix)
	for {
		n, err := c.Read(prefix[len(prefix):streamPrefix])
		prefix = prefix[:len(prefix)+n]
		if kind := ClassifyStream(prefix); kind != StreamMore || err != nil {
			return prefix, kind
		}
	}
}

// handOn gives a connection to whoever speaks its kind, or closes it.
func (s *streams) handOn(c *accepted, sorted net.Conn, kind Stream) {
	count := &s.port.count.streams
	if kind == StreamICE || kind == StreamTURN {
		_ = c.SetWriteBuffer(mediaBuffer)
	}
	if kind == StreamICE {
		count.ice.Inc()
		s.port.framed.serve(c, sorted)
		return
	}
	s.mu.Lock()
	door := s.doors[kind]
	s.mu.Unlock()
	switch {
	case kind == StreamMore:
		count.silent.Inc()
	case kind == StreamTLS:
		count.unagreed.Inc()
	case door == nil:
		count.garbage.Inc()
	case kind == StreamHTTP:
		count.http.Inc()
	case kind == StreamTURN:
		count.turn.Inc()
	case kind == StreamRTMP:
		count.rtmp.Inc()
	case kind == StreamRTSP:
		count.rtsp.Inc()
	}
	if door == nil || !door.offer(sorted) {
		_ = c.Close()
	}
}
