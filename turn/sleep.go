package turn

import (
	"errors"
	"net"
	"os"
	"runtime"
	"time"
)

// restTime is how long a client is silent before its connection sleeps. One that
// sends media, or reports of those it gets, has shorter pauses.
const restTime = 500 * time.Millisecond

// waiter is a connection that waits for what there is to read with less memory
// than Read does. Wait may be called when a Read has ended by its deadline, and
// ends by the deadline for reading too.
type waiter interface {
	Wait() error
}

// begin reads the first bytes of a message, four at most. When none come for a
// while it does not return: the goroutine of the library that has called it ends,
// whose stack and buffer are half of what a silent client costs, and when there is
// something to read the library is given the connection anew.
func (c *stream) begin(b []byte) (int, error) {
	if c.slept != nil {
		return 0, c.slept
	}
	patience, rest := c.patience(), time.Now().Add(restTime)
	w, sleeps := c.Conn.(waiter)
	sleeps = sleeps && rest.Before(patience)
	if !sleeps {
		rest = patience
	}
	n, err := c.readBefore(rest, b[:4])
	if !sleeps || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if err = c.Conn.SetReadDeadline(patience); err != nil {
		return 0, err
	}
	if c.ended.Load() {
		return 0, net.ErrClosed
	}
	go c.sleep(w)
	leaveLibrary()
	return 0, nil
}

// readBefore is Read with a deadline, unless the connection is to end.
func (c *stream) readBefore(deadline time.Time, b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(deadline); err != nil {
		return 0, err
	}
	if c.ended.Load() {
		return 0, net.ErrClosed
	}
	return c.Conn.Read(b)
}

// sleep waits for something to read, or an error, and has the library read it.
func (c *stream) sleep(w waiter) {
	c.slept = w.Wait()
	c.awake <- c
}

// leaveLibrary ends the goroutine of the library that has called us. The library
// holds no lock when it reads, defers nothing and waits for none of its goroutines;
// it keeps an allocation until that ends otherwise. Tests tell if that changes.
func leaveLibrary() { runtime.Goexit() }
