package cli

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/app"
	"github.com/heliograph/heliograph/server/config"
)

func newServe(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve until SIGINT or SIGTERM (the default command)",
		Args:  takes(0, 0, "no arguments"),
	}
	config.Flags(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		settings, err := config.Load(cmd.Flags(), env.Environ)
		if err != nil {
			return err
		}
		return serve(cmd.Context(), env, settings)
	}
	return cmd
}

func serve(ctx context.Context, env Env, settings config.Settings) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	a, err := app.New(ctx, app.Config{Settings: settings, Out: env.Out, Err: env.Err, Log: newLog(env, settings.Log)})
	if err != nil {
		return err
	}
	return a.Run(ctx)
}

func newLog(env Env, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(env.Err, nil))
	}
	return slog.New(slog.NewTextHandler(env.Err, nil))
}
