package cli

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/app"
	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

const (
	defaultTTL = 24 * time.Hour
	maxTTL     = 10 * 365 * 24 * time.Hour
)

func newToken(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "token --stream NAME --action publish|watch",
		Short: "Print a token that allows one action on one stream for a while",
		Args:  takes(0, 0, "no arguments, only flags"),
	}
	stream := cmd.Flags().String("stream", "", "name of the stream")
	action := cmd.Flags().String("action", "", "publish or watch")
	ttl := cmd.Flags().Duration("ttl", defaultTTL, "how long it is valid, like 90m or 24h")
	return onDatabase(cmd, env, store.OpenExisting, func(_ context.Context, d database, _ []string) error {
		if a := auth.Action(*action); a != auth.Publish && a != auth.Watch {
			return fmt.Errorf("%w: --action is publish or watch, not %q", errUsage, *action)
		}
		if *ttl > maxTTL {
			return fmt.Errorf("%w: --ttl is at most %s", errUsage, maxTTL)
		}
		token, err := d.NewToken(auth.Action(*action), *stream, *ttl)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(env.Out, token)
		return err
	})
}

func newKey(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "key NAME",
		Short: "Make the key of a stream and print it",
		Long:  "Make the key of a stream and print it. An earlier key of the stream stops working.\nPublishers and admins see it again on the Sources page.",
		Args:  takes(1, 1, "the stream's name"),
	}
	private := cmd.Flags().Bool("private", false, "watching the stream needs the key, a token or a sign-in too; --private=false makes it public again")
	return onDatabase(cmd, env, store.OpenExisting, func(ctx context.Context, d database, args []string) error {
		var change *bool
		if cmd.Flags().Changed("private") {
			change = private
		}
		key, err := d.NewKey(ctx, args[0], change)
		if err != nil {
			return err
		}
		fmt.Fprintf(env.Err, "The key of %s, which the Sources page shows again:\n", args[0])
		_, err = fmt.Fprintln(env.Out, key)
		return err
	})
}

func newVersion(env Env) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  takes(0, 0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			_, err := fmt.Fprintf(env.Out, "heliograph %s%s %s %s/%s\n", app.Version, revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return err
		},
	}
}

// revision returns the commit that the binary was built from, where the build knew it.
func revision() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return " " + s.Value[:12]
		}
	}
	return ""
}
