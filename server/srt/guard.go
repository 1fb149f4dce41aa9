package srt

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	gosrt "github.com/datarhei/gosrt"
)

// The bounds of what a caller may ask for in its handshake.
const (
	minMTU     = 576             // bytes; below 44 the library would reckon with 4 GiB
	maxLatency = 8 * time.Second // each connection holds as much of its stream in memory
)

// The bounds of what one connection may hold and do, looked at every watchEvery.
const (
	watchEvery    = 200 * time.Millisecond
	maxHeldBytes  = 32 << 20
	maxHeld       = 64 << 10 // packets
	maxResent     = 5000     // packets in watchEvery that the caller asks for again
	resentPer     = 2        // packets sent again, in the long run, for each one sent ...
	resentAhead   = 20_000   // ... and beyond that, after an outage
	maxStray      = 100      // packets of media from a player
	silence       = 5 * time.Second
	unanswered    = 6000        // acknowledgements, a minute's worth
	answersEvery  = time.Second // between two answers that are looked at
	startingRTTMs = 100.0       // what the library takes for the round trip until it knows better
)

// Why a connection was closed by us.
var (
	errSilent = errors.New("nothing was heard for 5 s")
	errTooBig = errors.New("more data was held up than a stream needs")
	errResend = errors.New("the player asked for far too many packets again")
	errDeaf   = errors.New("the caller answers no acknowledgement")
	errTalks  = errors.New("the player sends media")
)

// handshake is what the library does not tell of a handshake, but logs.
type handshake struct {
	mtu     int
	latency time.Duration
}

// overseer looks over the library's shoulder: it takes the library's log,
// which is the only place where it says how large the caller's packets may be,
// how much latency it wants, which acknowledgement it answers and that it said
// goodbye. Without the first, a single datagram makes the library allocate 4 GiB.
type overseer struct {
	// set at construction
	mtu, latency *regexp.Regexp
	sessions     *sessions

	// owned by whoever accepts: the library logs handshakes from there
	last handshake
}

var _ gosrt.Logger = (*overseer)(nil)

func newOverseer(l *sessions) *overseer {
	return &overseer{
		mtu:      regexp.MustCompile(`maxTransmissionUnitSize: \S+ \((\d+)\)`),
		latency:  regexp.MustCompile(`(?:recv|send)TSBPDDelay: \S+ \((\d+)ms\)`),
		sessions: l,
	}
}

// HasTopic is what the library asks before costly logs, but not before these.
func (o *overseer) HasTopic(string) bool { return false }

// Listen and Close belong to a log that somebody reads.
func (o *overseer) Listen() <-chan gosrt.Log { return nil }

// Close does nothing.
func (o *overseer) Close() {}

// Print takes a line of the library's log.
func (o *overseer) Print(topic string, socket uint32, _ int, message func() string) {
	switch topic {
	case "handshake:recv:cif":
		o.last = o.read(message())
	case "control:recv:shutdown:dump":
		if s := o.sessions.find(socket); s != nil {
			s.goodbye.Store(true)
		}
	case "control:recv:ACKACK:dump":
		if s := o.sessions.find(socket); s != nil {
			s.answers(time.Now(), message)
		}
	}
}

// read finds the numbers; they stand before anything that the caller words.
func (o *overseer) read(text string) (h handshake) {
	if m := o.mtu.FindStringSubmatch(text); m != nil {
		h.mtu, _ = strconv.Atoi(m[1])
	}
	for _, m := range o.latency.FindAllStringSubmatch(text, 2) {
		ms, _ := strconv.Atoi(m[1])
		h.latency = max(h.latency, time.Duration(ms)*time.Millisecond)
	}
	return h
}

// answers notes which acknowledgement the caller answers, now and then: reading
// the text takes longer than the library takes for the packet.
func (s *session) answers(now time.Time, text func() string) {
	if now.UnixNano()-s.looked.Load() < int64(answersEvery) {
		return
	}
	s.looked.Store(now.UnixNano())
	_, number, _ := strings.Cut(text(), "typeSpecific=")
	number, _, _ = strings.Cut(number, "\n")
	if n, err := strconv.ParseUint(number, 0, 32); err == nil {
		s.answered.Store(n)
	}
}

// watched is what the watchdog knows of one connection.
type watched struct {
	sent, resent uint64
	owed         int64 // packets sent again that were not earned yet by sending
}

// look returns why a connection must end, nil when all is well. answered is the
// newest acknowledgement of ours that a player is known to have answered.
func (w *watched) look(st *gosrt.Statistics, plays bool, answered uint64) error {
	now, all := &st.Instantaneous, &st.Accumulated
	resent := all.PktRetrans - w.resent
	w.owed = max(w.owed+int64(resent)-resentPer*int64(all.PktSentUnique-w.sent), 0)
	w.sent, w.resent = all.PktSentUnique, all.PktRetrans
	switch {
	case now.ByteRecvBuf > maxHeldBytes || now.PktRecvBuf > maxHeld || now.ByteSendBuf > maxHeldBytes:
		return errTooBig
	case resent > maxResent || w.owed > resentAhead:
		return errResend
	case plays && all.PktRecv > maxStray: // the library would look through all that it holds every 10 ms
		return errTalks
	// The library remembers every acknowledgement until it, or a later one, is
	// answered. Of a publisher's some are of a kind that is not.
	case plays && all.PktSentACK > answered+unanswered, all.PktSentACK > unanswered && now.MsRTT == startingRTTMs:
		return errDeaf
	}
	return nil
}

// sessions are the connections that are open or asked for.
type sessions struct {
	// guarded by mu
	mu      sync.Mutex
	open    map[*session]struct{}
	sockets map[uint32]*session
}

func newSessions() *sessions {
	return &sessions{open: map[*session]struct{}{}, sockets: map[uint32]*session{}}
}

// admit adds a session unless there are too many, in all or of one network.
func (l *sessions) admit(s *session, socket uint32) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.open) >= maxSessions {
		return false
	}
	near := 0
	for o := range l.open {
		if o.network == s.network {
			near++
		}
	}
	if near >= maxPerNetwork && !s.network.IsLoopback() {
		return false
	}
	l.open[s] = struct{}{}
	l.sockets[socket] = s
	return true
}

func (l *sessions) remove(s *session, socket uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.open, s)
	delete(l.sockets, socket)
}

func (l *sessions) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.open)
}

func (l *sessions) all() []*session {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]*session, 0, len(l.open))
	for s := range l.open {
		list = append(list, s)
	}
	return list
}

// find returns the session of a socket, nil when there is none.
func (l *sessions) find(socket uint32) *session {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sockets[socket]
}
