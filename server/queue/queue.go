// Package queue is a bounded queue between a producer that must not block and
// a consumer that may. When it is full it either drops its oldest value or
// refuses the new one, and counts what was lost. It knows nothing of what it
// holds.
package queue

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
)

// ErrClosed is returned by Pop when the queue is closed and empty.
var ErrClosed = errors.New("the queue is closed")

// Queue holds up to a fixed number of values, first in first out. All methods
// may be called from anywhere; Push and Pop allocate nothing.
type Queue[T any] struct {
	// set at construction
	dropOldest bool
	wake       chan struct{} // holds a token while a Pop may have something to do

	// guarded by mu
	mu     sync.Mutex
	values []T // a ring of count values from head on
	head   int
	count  int
	closed bool

	// atomic
	dropped atomic.Uint64
}

// New makes a queue that refuses a value when it holds size of them already:
// for values that must all arrive, where a full queue ends the consumer.
func New[T any](size int) *Queue[T] {
	return &Queue[T]{wake: make(chan struct{}, 1), values: make([]T, max(size, 1))}
}

// NewDropOldest makes a queue that gives up its oldest value for a new one:
// for media, where what is late is worth less than what is new.
func NewDropOldest[T any](size int) *Queue[T] {
	q := New[T](size)
	q.dropOldest = true
	return q
}

// Push adds v without ever blocking. It reports false when something was
// lost: v itself, or the oldest value. After Close every value is lost.
func (q *Queue[T]) Push(v T) bool {
	q.mu.Lock()
	full := q.count == len(q.values)
	if q.closed || full && !q.dropOldest {
		q.mu.Unlock()
		q.dropped.Add(1)
		return false
	}
	if full {
		q.head = (q.head + 1) % len(q.values)
		q.count--
	}
	q.values[(q.head+q.count)%len(q.values)] = v
	q.count++
	q.mu.Unlock()
	q.signal()
	if full {
		q.dropped.Add(1)
	}
	return !full
}

// Pop takes the oldest value and waits until there is one. After Close it
// still gives what is left, then ErrClosed; or the error of ctx when it ends.
func (q *Queue[T]) Pop(ctx context.Context) (T, error) {
	for {
		v, ok, err := q.take()
		if ok || err != nil {
			return v, err
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
}

// Close lets Pop give what is left and then ErrClosed. It may be called twice.
func (q *Queue[T]) Close() {
	q.mu.Lock()
	q.closed = true
	q.mu.Unlock()
	q.signal()
}

// Dropped returns how many values were lost so far.
func (q *Queue[T]) Dropped() uint64 { return q.dropped.Load() }

func (q *Queue[T]) take() (v T, ok bool, err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.count > 0 {
		var zero T
		v = q.values[q.head]
		q.values[q.head] = zero // a queue at rest keeps no buffer alive
		q.head = (q.head + 1) % len(q.values)
		q.count--
		ok = true
	} else if q.closed {
		err = ErrClosed
	}
	if q.count > 0 || q.closed {
		q.signal() // this Pop may have used up a token that another one waits for
	}
	return v, ok, err
}

func (q *Queue[T]) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}
