package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/store"
)

func newUser(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, list, remove and import users",
		Args:  takes(0, 0, "add, list, remove or import"),
		RunE: func(*cobra.Command, []string) error {
			return fmt.Errorf("%w: it takes add, list, remove or import", errUsage)
		},
	}
	cmd.AddCommand(newUserAdd(env), newUserList(env), newUserRemove(env), newUserImport(env))
	return cmd
}

func newUserAdd(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add NAME",
		Short: "Add a user; the password is asked for, or read from standard input",
		Args:  takes(1, 1, "the user's name"),
	}
	roleText := cmd.Flags().String("role", string(auth.Viewer), "viewer, publisher, moderator or admin")
	return onDatabase(cmd, env, store.Open, func(ctx context.Context, d database, args []string) error {
		role, err := auth.ParseRole(*roleText)
		if err != nil {
			return err
		}
		password, err := readPassword(env)
		if err != nil {
			return err
		}
		err = d.AddUser(ctx, args[0], password, role)
		if errors.Is(err, auth.ErrExists) {
			return fmt.Errorf("there is a user %q already; remove it first, or import a line for it", args[0])
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Out, "made user %s (%s) in %s\n", args[0], role, d.folder)
		return err
	})
}

func newUserList(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the users", Args: takes(0, 0, "no arguments")}
	return onDatabase(cmd, env, store.OpenExisting, func(ctx context.Context, d database, _ []string) error {
		users, err := d.Users(ctx)
		if err != nil {
			return err
		}
		table := tabwriter.NewWriter(env.Out, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "NAME\tROLE\tSTATE")
		for _, u := range users {
			state := "enabled"
			if !u.Enabled {
				state = "disabled"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\n", u.Name, u.Role, state)
		}
		return table.Flush()
	})
}

func newUserRemove(env Env) *cobra.Command {
	cmd := &cobra.Command{Use: "remove NAME", Short: "Remove a user and end his sessions", Args: takes(1, 1, "the user's name")}
	return onDatabase(cmd, env, store.OpenExisting, func(ctx context.Context, d database, args []string) error {
		err := d.RemoveUser(ctx, args[0])
		if errors.Is(err, auth.ErrNotFound) {
			return fmt.Errorf("there is no user %q; 'heliograph user list' shows all", args[0])
		}
		return err
	})
}

func newUserImport(env Env) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Import users from a file or standard input",
		Long: "Import users from lines of the form\n\n  name=password,ROLE[,ROLE][,enabled|disabled]\n\n" +
			"The highest role counts. Users that exist are changed. Either all lines are taken or none.",
		Args: takes(0, 1, "one file"),
	}
	return onDatabase(cmd, env, store.OpenExisting, func(ctx context.Context, d database, args []string) error {
		users, err := readUsers(env, args)
		if err != nil {
			return err
		}
		for _, u := range users {
			if u.Weak() {
				fmt.Fprintf(env.Err, "The password of %s is short; let it be changed.\n", u.Name)
			}
		}
		if err := d.ImportUsers(ctx, users); err != nil {
			return err
		}
		fmt.Fprintf(env.Out, "%d users imported\n", len(users))
		return nil
	})
}

func readUsers(env Env, args []string) ([]auth.FileUser, error) {
	var from io.Reader = env.In
	if len(args) == 1 && args[0] != "-" {
		f, err := os.Open(args[0])
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	return auth.ParseUsers(from)
}
