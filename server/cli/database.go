package cli

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/store"
)

// database is what a command on the database works with.
type database struct {
	*auth.Service
	folder string // its whole path
}

// opener is store.OpenExisting, which all commands use but one: a key in a
// database that the command itself has made would open no server. Only
// store.Open lets user add prepare a first start.
type opener func(ctx context.Context, dir string) (*store.Store, error)

// onDatabase makes cmd work on the database of --data, which a running server
// may have open too.
func onDatabase(cmd *cobra.Command, env Env, open opener, run func(ctx context.Context, d database, args []string) error) *cobra.Command {
	config.DatabaseFlags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		settings, err := config.Load(cmd.Flags(), env.Environ)
		if err != nil {
			return err
		}
		folder, err := filepath.Abs(settings.Data)
		if err != nil {
			return err
		}
		db, err := open(cmd.Context(), folder)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		s, err := auth.New(cmd.Context(), auth.Config{Storage: db})
		if err != nil {
			return err
		}
		return run(cmd.Context(), database{s, folder}, args)
	}
	return cmd
}
