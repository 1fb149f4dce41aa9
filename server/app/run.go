package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/heliograph/heliograph/server/auth"
)

// shutdownTime is how long everything together may take to end.
const shutdownTime = 10 * time.Second

// Errors of Run.
var (
	ErrShutdown = errors.New("the server did not stop in time")
	ErrEnded    = errors.New("a part of the server ended by itself")
)

// Runner is one part of the server with a life of its own: Run blocks until
// ctx ends and everything that it started has ended.
type Runner interface {
	Run(ctx context.Context) error
}

// runnerFunc makes a Runner of a function.
type runnerFunc func(ctx context.Context) error

// Run implements Runner.
func (f runnerFunc) Run(ctx context.Context) error { return f(ctx) }

// part is a Runner with a name for the log.
type part struct {
	name string
	Runner
}

// parts lists what runs, in the order in which it is stopped: first what lets
// people in, then what they use.
func (a *App) parts() []part {
	parts := []part{{"pull", a.others.pull}, {"push", a.others.push}, {"transcode", a.others.transcoder}}
	parts = append(parts, a.doors.parts()...)
	if a.plain != nil {
		parts = append(parts, part{"port 80", runnerFunc(a.runPlain)})
	}
	if a.keeper != nil {
		parts = append(parts, part{"certificates", a.keeper})
	}
	return append(parts, []part{
		{"rtc", a.rtc}, // before the door through which it says goodbye
		{"web", runnerFunc(func(ctx context.Context) error { return a.web.Run(ctx, a.port.HTTP()) })},
		{"hub", a.hub},
		{"egress", a.egress},
		{"turn", a.turn},
		{"port", a.port},
	}...)
}

// Run serves until ctx ends or a part fails, then stops the parts in order.
func (a *App) Run(ctx context.Context) error {
	if err := a.welcome(ctx); err != nil {
		return errors.Join(err, a.Close())
	}
	running := start(ctx, a.parts())
	a.ready.Store(true)
	testing, cancel := context.WithCancel(ctx)
	var tested sync.WaitGroup
	tested.Go(func() { a.port.SelfTest(testing) }) // beside the serving: nobody waits for it
	err := a.announce()
	if err == nil {
		err = running.wait(ctx)
	}
	a.ready.Store(false)
	cancel()
	tested.Wait()
	a.cfg.Log.Info("stopping")
	return errors.Join(err, running.stop(), a.closeData())
}

// welcome sees to it that there is somebody who may administer.
func (a *App) welcome(ctx context.Context) error {
	if pass := a.cfg.Settings.AdminPassword; pass != "" {
		made, err := a.auth.AddAdmin(ctx, pass)
		if errors.Is(err, auth.ErrExists) {
			return errors.New("cannot make the user admin with the password of the environment: somebody else has that name, and is no admin; " +
				"remove him with 'heliograph user remove admin', or add an admin with 'heliograph user add --role admin NAME'")
		}
		if made {
			a.cfg.Log.Info("made the user admin with the password of the environment")
		}
		return err
	}
	token, err := a.auth.BeginSetUp(ctx)
	if err != nil || token == "" {
		return err
	}
	_, err = fmt.Fprintf(a.cfg.Err, "\nThere is no admin yet. Open this link once to make one:\n\n  %s/setup?token=%s\n\n", a.URL(), token)
	return err
}

// announce says that all listeners are open.
func (a *App) announce() error {
	at := a.doors.addresses()
	a.cfg.Log.Info("ready", "url", a.URL(), "rtmp", at.RTMP, "rtmps", at.RTMPS, "rtsp", at.RTSP, "rtsps", at.RTSPS, "srt", at.SRT, "version", Version)
	if !a.cfg.Settings.ReadyJSON {
		return nil
	}
	line, err := json.Marshal(struct {
		HTTP string `json:"http"`
		addresses
		PID int `json:"pid"`
	}{a.URL(), at, os.Getpid()})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.cfg.Out, "%s\n", line)
	return err
}
