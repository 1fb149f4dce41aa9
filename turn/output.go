package turn

import (
	"sync"
	"sync/atomic"
)

// chunkSize is what is written at once to a connection: the longest record of
// TLS.
const chunkSize = 16 << 10

// Bounds of what waits to be written, in chunks. A client may be a second late
// with a good picture, after which its session goes on with the next keyframe.
// All together must not take the memory of the machine: when half of it is taken,
// those that are stuck must leave room for those that read, and when all is taken,
// each connection still has one chunk.
const (
	maxChunks        = 32
	maxChunksCrowded = 4
	maxChunksInAll   = 4096
)

// chunk holds messages that wait, each of them whole.
type chunk struct {
	n int
	b [chunkSize]byte
}

// chunks keeps chunks that are not in use.
var chunks = sync.Pool{New: func() any { return new(chunk) }}

// output is what waits to be written to one connection.
type output struct {
	// set at construction
	taken *atomic.Int64 // chunks of all outputs
	wake  chan struct{}
	// guarded by mu
	mu      sync.Mutex
	waiting []*chunk // the oldest first
	sent    uint64   // indications
	closed  bool
}

func newOutput(taken *atomic.Int64) *output {
	return &output{taken: taken, wake: make(chan struct{}, 1)}
}

// put adds datagrams of size bytes, of which the last may be shorter. It says
// whether there was room; without it none is added.
func (o *output) put(h header, b []byte, size int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || !o.room(h, len(b), size) {
		return o.closed // the client has gone, which is no want of room
	}
	for len(b) > 0 {
		n := min(size, len(b))
		k := o.last(h.frameSize(n, true))
		o.sent++
		k.n = len(h.append(k.b[:k.n], b[:n], true, o.sent))
		b = b[n:]
	}
	select {
	case o.wake <- struct{}{}:
	default:
	}
	return true
}

// room says whether n bytes in datagrams of a size find room; mu is held.
func (o *output) room(h header, n, size int) bool {
	perChunk := chunkSize / h.frameSize(size, true)
	if perChunk == 0 {
		return false
	}
	more := ((n+size-1)/size + perChunk - 1) / perChunk
	limit := maxChunks
	if o.taken.Load() > maxChunksInAll/2 {
		limit = maxChunksCrowded
	}
	chunks := len(o.waiting) + more
	return chunks <= 1 || chunks <= limit && o.taken.Load()+int64(more) <= maxChunksInAll
}

// last returns the chunk that the next message goes to; mu is held.
func (o *output) last(size int) *chunk {
	if n := len(o.waiting); n > 0 && o.waiting[n-1].n+size <= chunkSize {
		return o.waiting[n-1]
	}
	o.taken.Add(1)
	k := chunks.Get().(*chunk)
	k.n = 0
	o.waiting = append(o.waiting, k)
	return k
}

// take returns the oldest chunk, or nil. It is to be given back with free.
func (o *output) take() *chunk {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.waiting) == 0 {
		return nil
	}
	k := o.waiting[0]
	o.waiting = append(o.waiting[:0], o.waiting[1:]...)
	return k
}

func (o *output) free(k *chunk) {
	chunks.Put(k)
	o.taken.Add(-1)
}

// close drops what waits, and all that comes.
func (o *output) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.closed {
		o.closed = true
		close(o.wake)
	}
	for _, k := range o.waiting {
		o.free(k)
	}
	o.waiting = nil
}
