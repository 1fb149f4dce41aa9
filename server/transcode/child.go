package transcode

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// maxSaid bounds what is kept of a child's error output, in bytes.
const maxSaid = 512

// child is one run of ffmpeg: Matroska goes in, what its arguments name comes
// out.
type child struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	said   *tail
	once   sync.Once // guards the killing
}

// startChild starts ffmpeg in a process group of its own, so that a Ctrl-C
// meant for the server does not reach it and whatever it starts ends with it.
func startChild(path string, args []string) (*child, error) {
	c := &child{cmd: exec.Command(path, args...), said: &tail{}}
	c.cmd.Env = childEnv()
	c.cmd.Stderr = c.said
	c.cmd.WaitDelay = time.Second
	ownGroup(c.cmd)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if c.stdout, err = c.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, fmt.Errorf("ffmpeg does not start: %w", err)
	}
	return c, nil
}

// wait bounds the time until the next byte comes out.
func (c *child) wait(d time.Duration) {
	if f, ok := c.stdout.(*os.File); ok {
		_ = f.SetReadDeadline(time.Now().Add(d))
	}
}

// kill ends the child; what reads and writes its pipes fails then. Only the first
// call does anything: after reap its number may be that of another process.
func (c *child) kill() {
	c.once.Do(func() {
		killGroup(c.cmd.Process)
		_ = c.stdin.Close()
	})
}

// reap waits until the child, which kill was called for, has ended, and returns
// how, with what it said.
func (c *child) reap() error {
	err := c.cmd.Wait()
	if said := c.said.String(); said != "" {
		return fmt.Errorf("ffmpeg ended (%s): %s", howEnded(err), said)
	}
	return fmt.Errorf("ffmpeg ended (%s)", howEnded(err))
}

// tail keeps the last bytes written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

// Write never fails.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, p[max(0, len(p)-maxSaid):]...)
	t.b = append(t.b[:0], t.b[max(0, len(t.b)-maxSaid):]...)
	return len(p), nil
}

// String returns what was kept, in one line.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Join(strings.Fields(strings.ToValidUTF8(string(t.b), "?")), " ")
}

// howEnded says how a child ended, which is by itself a fault even when it says
// that all is well.
func howEnded(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}
