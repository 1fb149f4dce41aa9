package transcode

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

const (
	// Time between the death of a child and the next one's start.
	firstDelay = 100 * time.Millisecond
	lastDelay  = 5 * time.Second
	// A child that lived this long died of something new.
	goodLife = 10 * time.Second
	// A child that was given something and says nothing for this long hangs; one
	// that was given nothing is not needed. Loading ffmpeg from a slow disk takes
	// longer.
	silence      = 5 * time.Second
	firstSilence = 15 * time.Second
	// Between two lines in the log about one conversion.
	logEvery = time.Minute
)

// errIdle ends a session: there is nothing to convert.
var errIdle = errors.New("the source pauses")

// format is how the frames of a track become a file for the child, and what
// it makes of them frames again. begin and append are called by one goroutine,
// read by another.
type format interface {
	// begin returns the child's arguments and the file's beginning, ok false
	// when no file can begin with this frame.
	begin(a arrival) (args []string, header []byte, ok bool)
	// append appends a frame to b, or returns errGap when another file has to
	// begin with it.
	append(b []byte, a arrival) ([]byte, error)
	// read returns what came out next.
	read(r *bufio.Reader) (output, error)
}

// output is a frame that a child has made.
type output struct {
	units    [][]byte
	keyframe bool
	stamp    int64     // on the time line of the target's clock, extended to 64 bits
	source   int64     // the same moment on the source's clock
	at       time.Time // when the frame came whose first sound or picture it holds; zero when unknown
}

// job is one conversion; it outlives its children.
type job struct {
	// set at construction
	program program
	counts  counts
	log     *slog.Logger
	from    *hub.Track
	to      *hub.Input
	format  format
	intake  *intake

	// owned by run, and while a child lives by what feeds it
	held   *arrival // the frame that the next child begins with
	logged time.Time
	fed    time.Time // when a child was last given something

	// atomic
	lag   atomic.Int64 // ns between a frame and what was made of it
	child atomic.Pointer[child]
}

func (t *Transcoder) newJob(from *hub.Track, to *hub.Input, traits func() media.Traits) (*job, error) {
	source, target := from.Codec(), to.Track().Codec()
	if !slices.Contains(t.makes(source, traits()), target) {
		return nil, fmt.Errorf("%w: %s to %s", ErrTarget, source.Name, target.Name)
	}
	j := &job{program: t.program(), counts: t.counts, from: from, to: to, intake: newIntake(from.Kind(), t.maxWait, t.counts.dropped)}
	j.log = t.cfg.Log.With("from", source.Name, "to", target.Name)
	if from.Kind() == media.Video {
		j.intake.ask = func() { from.RequestKeyframe(0) }
		j.format = newVideo(source, traits, j.program.sync)
		return j, nil
	}
	f, err := newAudio(source, target)
	j.format = f
	return j, err
}

// run has children convert until ctx ends. Children of a source that keeps
// jumping are started no faster than those that die.
func (j *job) run(ctx context.Context) error {
	delay := firstDelay
	for ctx.Err() == nil {
		begun := time.Now()
		err := j.session(ctx)
		if ctx.Err() != nil || errors.Is(err, errIdle) {
			continue
		}
		if !errors.Is(err, errGap) {
			j.counts.failed.Inc()
			j.complain(err)
		}
		if time.Since(begun) > goodLife {
			delay = firstDelay
		}
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
		delay = min(2*delay, lastDelay)
		if j.held != nil && time.Since(j.held.at) > j.intake.maxWait {
			j.held = nil
		}
	}
	return ctx.Err()
}

// complain logs why a child ended, but not each time of one that cannot live.
func (j *job) complain(err error) {
	if time.Since(j.logged) > logEvery {
		j.logged = time.Now()
		j.log.Warn("conversion begins anew", "err", err)
	}
}

// session is the life of one child. It begins with the first frame that a file
// can begin with.
func (j *job) session(ctx context.Context) error {
	var args []string
	var header []byte
	err := guard(func() (err error) {
		args, header, err = j.begin(ctx)
		return err
	})
	if err != nil {
		return err
	}
	c, err := startChild(j.program.path, args)
	if err != nil {
		return err
	}
	j.child.Store(c)
	j.counts.started.Inc()
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	defer context.AfterFunc(feeding, c.kill)()
	var fed error
	var feeder sync.WaitGroup
	feeder.Go(func() {
		fed = guard(func() error { return j.feed(feeding, c, header) })
		c.kill()
	})
	read := guard(func() error { return j.drain(c) })
	stop()
	c.kill()
	feeder.Wait()
	ended := c.reap()
	j.child.Store(nil)
	j.lag.Store(0)
	switch {
	case errors.Is(fed, errGap):
		return fed
	case errors.Is(read, os.ErrDeadlineExceeded) && time.Since(j.fed) > silence:
		return errIdle
	}
	if !errors.Is(fed, context.Canceled) { // by the end of what comes out
		read = fed
	}
	return fmt.Errorf("%w: %w", ended, read)
}

// guard makes an error of a panic: what a source or a child sends must not end
// the server.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("internal error: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// begin waits for a frame that a file can begin with.
func (j *job) begin(ctx context.Context) (args []string, header []byte, err error) {
	for {
		if j.held == nil {
			a, err := j.take(ctx, time.Time{})
			if err != nil {
				return nil, nil, err
			}
			j.held = &a
		}
		if args, header, ok := j.format.begin(*j.held); ok {
			return args, header, nil
		}
		j.held = nil
		j.intake.ask()
	}
}

// take returns the next frame. After the end of the stream it waits for the
// hub to end the conversion.
func (j *job) take(ctx context.Context, since time.Time) (arrival, error) {
	a, err := j.intake.take(ctx, since)
	if err != nil {
		<-ctx.Done()
		return a, ctx.Err()
	}
	return a, nil
}

// feed writes frames to the child until ctx ends or the child does.
func (j *job) feed(ctx context.Context, c *child, header []byte) error {
	begun, block := time.Now(), header
	for {
		if j.held == nil {
			a, err := j.take(ctx, begun)
			if err != nil {
				return err
			}
			j.held = &a
		}
		var err error
		if block, err = j.format.append(block, *j.held); err != nil {
			return err // and the next child begins with what is held
		}
		j.held = nil
		if _, err := c.stdin.Write(block); err != nil {
			return err
		}
		block = block[:0]
		j.fed = time.Now()
	}
}

// drain gives the track what comes out of the child until it ends.
func (j *job) drain(c *child) error {
	r := bufio.NewReaderSize(c.stdout, 1<<16)
	c.wait(firstSilence)
	for {
		out, err := j.format.read(r)
		if err != nil {
			return err
		}
		c.wait(silence)
		if out.units == nil {
			continue
		}
		now := time.Now()
		if !out.at.IsZero() {
			j.lag.Store(int64(now.Sub(out.at)))
		}
		if at, ok := j.from.TimeOf(uint32(out.source)); ok {
			j.to.Anchor(uint32(out.stamp), at)
		}
		f := media.Frame{Timestamp: uint32(out.stamp), Units: out.units, Keyframe: out.keyframe}
		if err := j.to.WriteFrame(f, now); err != nil {
			return err
		}
	}
}
