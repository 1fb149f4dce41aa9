package rtc

import (
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/rtc/lite"
)

// seat is the place of a session on a channel. The session outlives a channel
// that breaks off, so that its client can come back for it over another one.
type seat struct {
	// guarded by mu
	mu      sync.Mutex
	channel *Channel    // nil for none
	name    string      // of the session there
	waiting *time.Timer // runs while the client may come back
	leases  [2]*lease   // of the channels that took it over last, the newest first; nil for none
	ended   bool
}

// take moves the session to a channel and returns where it was; ok is false when
// it has ended. Its client gets other ICE credentials there, and uses them from
// now on; those of the connection before are kept, for its media still go there,
// and those of the first, for a client that never makes others.
func (s *seat) take(c *Channel, name string) (older *Channel, olderName string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, "", false
	}
	s.stopWaiting()
	if s.leases[1] != nil {
		s.leases[1].release()
	}
	older, olderName = s.channel, s.name
	s.channel, s.name = c, name
	s.leases = [2]*lease{c.lease.share(), s.leases[0]}
	return older, olderName, true
}

// leave is called when the session has ended: it belongs nowhere any more.
func (s *seat) leave() (c *Channel, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, name = s.channel, s.name
	s.channel, s.ended = nil, true
	for i, l := range s.leases {
		if l != nil {
			l.release()
			s.leases[i] = nil
		}
	}
	s.stopWaiting()
	return c, name
}

// at tells whether the session is on a channel.
func (s *seat) at(c *Channel) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.channel == c
}

// giveUp ends the wait for a client to come back; ok is false when there is none.
// The caller closes the session.
func (s *seat) giveUp() (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopWaiting() {
		return false
	}
	s.ended = true
	return true
}

// stopWaiting tells whether the client might still have come back; mu is held.
func (s *seat) stopWaiting() bool {
	if s.waiting == nil {
		return false
	}
	s.waiting.Stop()
	s.waiting = nil
	return true
}

// wait has the session closed unless its client comes back for it. c is the
// channel that broke off; a session that is on another one already goes on.
func (e *session) wait(c *Channel) {
	s := &e.seat
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || s.channel != c {
		return
	}
	s.channel = nil
	s.waiting = time.AfterFunc(lite.Patience, func() { e.media.Close(ErrLost) })
}
