package turn

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/pion/stun/v4"
)

// lastMoments of an allocation are those in which it is not changed any more.
const lastMoments = 5 * time.Second

// life keeps the end of an allocation apart from changes to it. The library makes
// a permission known before it has made its timer, and stops the timers of all
// when the allocation ends: where both happen at once the process dies, and with
// a credential anybody can have them happen at once.
type life struct {
	// guarded by mu, which is held while the library makes a change
	mu    sync.Mutex
	ended bool
	until time.Time // the library's own timer ends the allocation no sooner
}

// end has the allocation changed no more. It waits for a change that is being made.
func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
}

// hold is a change that the library is making, for one goroutine that hands it
// requests. The zero hold is none.
type hold struct {
	on    *relayConn
	began time.Time
}

// take begins a change, and says whether it may be made.
func (h *hold) take(c *relayConn, method stun.Method) bool {
	if c == nil {
		return false
	}
	now := time.Now()
	c.life.mu.Lock()
	if c.life.ended || method != stun.MethodRefresh && c.life.until.Sub(now) < lastMoments {
		c.life.mu.Unlock()
		return false
	}
	h.on, h.began = c, now
	return true
}

// refreshed is the type of the answer to a refresh that the library has made, as
// on the wire (RFC 8489 section 5).
const refreshed = 0x0104

// answered looks at what is sent to the client. Only the goroutine that hands
// requests over sends such an answer.
func (h *hold) answered(b []byte) {
	if len(b) >= stunHeader && binary.BigEndian.Uint16(b) == refreshed && h.on != nil {
		h.on.life.until = h.began.Add(lifeSpan)
	}
}

// release ends a change, if there is one.
func (h *hold) release() {
	if h.on != nil {
		h.on.life.mu.Unlock()
		h.on = nil
	}
}
