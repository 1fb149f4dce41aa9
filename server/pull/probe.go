package pull

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/heliograph/heliograph/server/redact"
)

// Limits of Test.
const (
	maxProbes = 4 // at once
	probeTime = 12 * time.Second
)

// Test asks the camera of a source what it has, and keeps and publishes
// nothing. With the name of a source that exists, *** stands for its secrets as
// in Put. It returns a *StateError when the camera does not play, or what is
// wrong with the source as Put does; the stream's name may be empty.
func (m *Manager) Test(ctx context.Context, s Source, admin bool) ([]Track, error) {
	s, err := m.completed(s, m.camera(s.Stream))
	if err != nil {
		return nil, err
	}
	if s.Stream == "" {
		s.Stream = "test"
	}
	s, u, err := checked(s)
	if err != nil {
		return nil, err
	}
	if s.Private && !admin {
		return nil, ErrAdmin
	}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	select {
	case m.probes <- struct{}{}:
		defer func() { <-m.probes }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	rules, address := redact.Camera(), *u
	tracks, err := m.probe(ctx, Request{URL: &address, Transport: s.Transport, Dial: m.guard(s).Dial})
	if err == nil {
		return tracks, nil
	}
	d := diagnose(err)
	return nil, &StateError{State: d.state, Text: d.words(u, s, rules.Text(err.Error(), rules.Secrets(u))).owner}
}

// probe calls the Opener. What a camera sends must not end the server.
func (m *Manager) probe(ctx context.Context, r Request) (tracks []Track, err error) {
	defer func() {
		if p := recover(); p != nil {
			m.cfg.Log.Error("probing a camera panicked", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("%w: what it sent is beyond us, see the server's log", ErrUnreachable)
		}
	}()
	return m.cfg.Opener.Probe(ctx, r)
}
