package limit

import (
	"log/slog"
	"sync"
	"time"
)

// maxConns bounds connections where the system would give more files than
// that: each costs memory too.
const maxConns = 1 << 15

// Files bounds connections of all networks together. Each is an open file, of
// which a process may have so many: a botnet, none of whose addresses has too
// many, must leave some for everything else. All methods may be called from
// anywhere.
type Files struct {
	// set at construction
	log  *slog.Logger
	most int
	// guarded by mu
	mu    sync.Mutex
	taken int
	said  time.Time // when it was logged last that all are taken
}

// NewFiles counts for connections three quarters of the files that this process
// may have open; the rest is for other sockets, the database and programs.
func NewFiles(log *slog.Logger) *Files {
	files := openFiles()
	return &Files{log: log, most: int(min(files-files/4, maxConns))}
}

// Take takes a file for a connection and says whether there was one. When there
// is none, it logs so, at most once a minute.
func (f *Files) Take() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.taken < f.most {
		f.taken++
		return true
	}
	if now := time.Now(); now.Sub(f.said) >= quiet {
		f.said = now
		f.log.Warn("connections refused: too many are open; if they are all wanted, raise the limit of open files (ulimit -n), of which three quarters are for them",
			"open", f.taken, "limit", openFiles(), "most", maxConns)
	}
	return false
}

// Give gives back the file of a connection that is closed.
func (f *Files) Give() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken--
}

// Taken returns how many files are taken.
func (f *Files) Taken() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.taken
}
