package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/store"
)

// onDatabase makes cmd work on the database of --data, which a running server
// may have open too.
func onDatabase(cmd *cobra.Command, env Env, run func(ctx context.Context, s *auth.Service, args []string) error) *cobra.Command {
	config.DataFlag(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) (err error) {
		settings, err := config.Load(cmd.Flags(), env.Environ)
		if err != nil {
			return err
		}
		db, err := store.Open(cmd.Context(), settings.Data)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		s, err := auth.New(cmd.Context(), auth.Config{Storage: db})
		if err != nil {
			return err
		}
		return run(cmd.Context(), s, args)
	}
	return cmd
}
