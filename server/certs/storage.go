package certs

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
)

// errClosed says that a job of the library came after the end of Run.
var errClosed = errors.New("the server stops")

// closeTime is how long the end of Run waits for the library's jobs: longer than
// any takes to write what it has got.
const closeTime = 5 * time.Second

// storage is the folder of the library, closed with Run. The library's jobs end
// some time after their context, and nobody can wait for them; a lock that such
// a job leaves would hold up the next start.
type storage struct {
	*certmagic.FileStorage
	idle chan struct{} // closed with the last user after close

	mu sync.Mutex
	// guarded by mu
	closed bool
	users  int // locks held, or waited for, and calls that write
}

func newStorage(folder string) *storage {
	return &storage{FileStorage: &certmagic.FileStorage{Path: folder}, idle: make(chan struct{})}
}

// enter admits a user. After close only those are admitted that help another
// one to its end: a certificate that has just been issued is still stored.
func (s *storage) enter() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.users == 0 {
		return errClosed
	}
	s.users++
	return nil
}

func (s *storage) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.users--; s.users == 0 && s.closed { // once, for nobody is admitted any more
		close(s.idle)
	}
}

// close ends the storage, and waits until nobody writes any more. It gives up
// after some seconds: a job whose context nobody ends may wait for a lock that
// another process holds, and the end of the server must not wait with it. What
// such a job leaves at worst is a lock that is stale seconds later.
func (s *storage) close() {
	s.mu.Lock()
	s.closed = true
	users := s.users
	s.mu.Unlock()
	if users == 0 {
		return
	}
	select {
	case <-s.idle:
	case <-time.After(closeTime):
	}
}

// Lock implements certmagic.Locker.
func (s *storage) Lock(ctx context.Context, name string) error {
	if err := s.enter(); err != nil {
		return err
	}
	err := s.FileStorage.Lock(ctx, name)
	if err != nil {
		s.leave()
	}
	return err
}

// TryLock implements certmagic.TryLocker.
func (s *storage) TryLock(ctx context.Context, name string) (bool, error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	ok, err := s.FileStorage.TryLock(ctx, name)
	if !ok {
		s.leave()
	}
	return ok, err
}

// Unlock implements certmagic.Locker.
func (s *storage) Unlock(ctx context.Context, name string) error {
	defer s.leave()
	return s.FileStorage.Unlock(ctx, name)
}

// Store implements certmagic.Storage.
func (s *storage) Store(ctx context.Context, key string, value []byte) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.FileStorage.Store(ctx, key, value)
}

// Delete implements certmagic.Storage.
func (s *storage) Delete(ctx context.Context, key string) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.FileStorage.Delete(ctx, key)
}
