package cli

import (
	"context"
	"errors"
	"fmt"
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
	log := newLog(env, settings.Log)
	for _, name := range config.Unknown(env.Environ) {
		log.Warn("no setting has this name, it is ignored", "variable", name)
	}
	a, err := app.New(ctx, app.Config{Settings: settings, Out: env.Out, Err: env.Err, Log: log})
	if err != nil {
		return blamed(err)
	}
	return a.Run(ctx)
}

// blamed turns an error that knows the setting to blame into one about that
// setting, whatever was being done when it came up.
func blamed(err error) error {
	var wrong interface {
		error
		Setting() string
	}
	if errors.As(err, &wrong) {
		return fmt.Errorf("%w: --%s: %w", config.ErrSettings, wrong.Setting(), wrong)
	}
	return err
}

func newLog(env Env, format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(env.Err, nil))
	}
	return slog.New(slog.NewTextHandler(env.Err, nil))
}
