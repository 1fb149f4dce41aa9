package certs

import (
	"context"
	"errors"
	"sync"

	"github.com/caddyserver/certmagic"
)

// errClosed says that a job of the library came after the end of Run.
var errClosed = errors.New("the server stops")

// storage is the folder of the library, closed with Run. The library's jobs end
// some time after their context, and nobody can wait for them; a lock that such
// a job leaves would hold up the next start.
type storage struct {
	*certmagic.FileStorage
	mu sync.Mutex
	// guarded by mu
	closed bool
	users  int        // locks held and calls that write
	idle   *sync.Cond // users has become 0
}

func newStorage(folder string) *storage {
	s := &storage{FileStorage: &certmagic.FileStorage{Path: folder}}
	s.idle = sync.NewCond(&s.mu)
	return s
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
	if s.users--; s.users == 0 {
		s.idle.Broadcast()
	}
}

// close ends the storage, and waits until nobody writes any more.
func (s *storage) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for s.users > 0 {
		s.idle.Wait()
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
