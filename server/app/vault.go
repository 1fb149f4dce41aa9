package app

import (
	"context"
	"log/slog"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

// vault keeps documents of one kind sealed: they hold passwords of cameras and
// stream keys of other services.
type vault struct {
	kind  store.Kind
	name  string
	seals *auth.Service
	log   *slog.Logger
}

func (a *App) vault(kind string) vault {
	return vault{a.store.Kind(kind), kind, a.auth, a.cfg.Log}
}

func (v vault) place(id string) string { return v.name + " " + id }

// Put seals a document and keeps it.
func (v vault) Put(ctx context.Context, id string, body []byte) error {
	return v.kind.Put(ctx, id, v.seals.Seal(v.place(id), body))
}

// All returns the documents. One that does not open is left where it is.
func (v vault) All(ctx context.Context) (map[string][]byte, error) {
	all, err := v.kind.All(ctx)
	for id, sealed := range all {
		body, err := v.seals.Unseal(v.place(id), sealed)
		if err != nil {
			v.log.Warn("a stored "+v.name+" is not used: it cannot be read with this server's secret; add it again", v.name, id, "err", err)
			delete(all, id)
			continue
		}
		all[id] = body
	}
	return all, err
}

// Delete removes a document.
func (v vault) Delete(ctx context.Context, id string) error { return v.kind.Delete(ctx, id) }
