package certs

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"
)

// lookEvery is how often files are looked at: programs that renew certificates
// do so weeks before the old ones end.
const lookEvery = 10 * time.Second

// soon is how long before its end a certificate is worth a warning.
const soon = 7 * 24 * time.Hour

// Files keeps a certificate that lies in files of the operator.
type Files struct {
	// set at construction
	certificate, key string
	log              *slog.Logger
	every            time.Duration
	// owned by Run, and before it by NewFiles
	seen   [2]stamp
	warned string // of which end of the certificate the operator was told
	// atomic
	current atomic.Pointer[tls.Certificate]
	trusted atomic.Bool
}

// stamp tells a file from what it was before.
type stamp struct {
	changed time.Time
	size    int64
}

// NewFiles reads a certificate with its chain and its key, both PEM.
func NewFiles(certificate, key string, log *slog.Logger) (*Files, error) {
	f := &Files{certificate: certificate, key: key, log: log, every: lookEvery}
	f.seen = f.stamps()
	if err := f.load(); err != nil {
		return nil, err
	}
	return f, nil
}

// load reads both files and, when they fit together, uses them.
func (f *Files) load() error {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return fmt.Errorf("reading the certificate in %s and its key in %s: %w", f.certificate, f.key, err)
	}
	f.current.Store(&pair)
	f.log.Info("certificate read", "file", f.certificate, "expires", pair.Leaf.NotAfter)
	f.warned = ""
	f.judge(time.Now())
	return nil
}

// judge says whether clients take the certificate, which time changes too, and
// once when it ends soon and once when it has, which nobody else may notice.
func (f *Files) judge(now time.Time) {
	pair := f.current.Load()
	f.trusted.Store(trusted(pair, now))
	end, warning := pair.Leaf.NotAfter, ""
	switch left := end.Sub(now); {
	case left < 0:
		warning = "the certificate has expired, and clients refuse it; replace the files"
	case left < soon:
		warning = "the certificate expires soon; replace the files"
	}
	if warning != "" && warning != f.warned {
		f.log.Warn(warning, "file", f.certificate, "expires", end)
	}
	f.warned = warning
}

// stamps returns what the files look like now. One that is missing has the
// zero stamp.
func (f *Files) stamps() (all [2]stamp) {
	for i, name := range []string{f.certificate, f.key} {
		if info, err := os.Stat(name); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// Run looks at the files now and then, and reads them when they have changed.
// While what is there does not fit together, as in the middle of a change, the
// old certificate stays.
func (f *Files) Run(ctx context.Context) error {
	tick := time.NewTicker(f.every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			f.look()
			f.judge(time.Now())
		}
	}
}

func (f *Files) look() {
	now := f.stamps()
	if now == f.seen {
		return
	}
	f.seen = now
	if err := f.load(); err != nil {
		f.log.Warn("the files of the certificate have changed and cannot be used; the old certificate stays", "err", err)
	}
}

// TLS implements Keeper.
func (f *Files) TLS() *tls.Config {
	return settings(func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return f.current.Load(), nil })
}

// Trusted implements Keeper.
func (f *Files) Trusted() bool { return f.trusted.Load() }

// Host implements Keeper.
func (f *Files) Host() string { return hostIn(f.current.Load().Leaf) }
