// Package cli is the command line: it reads flags, passwords and files, calls
// app, auth or bench, and turns what came of it into text and an exit code. It
// knows nothing of how they work.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/bench"
	"github.com/heliograph/heliograph/server/config"
	"github.com/heliograph/heliograph/server/doctor"
)

// Exit codes.
const (
	exitFine   = 0
	exitFailed = 1
	exitUsage  = 2
)

// Env is what a command sees of the process.
type Env struct {
	In      *os.File
	Out     io.Writer
	Err     io.Writer
	Environ []string // in the form of os.Environ
}

// errUsage marks what the person at the keyboard got wrong.
var errUsage = errors.New("wrong usage")

// Main runs one command until it is done or ctx ends, and returns the exit code.
func Main(ctx context.Context, args []string, env Env) int {
	root := newRoot(env)
	root.SetArgs(args)
	root.SetIn(env.In)
	root.SetOut(env.Out)
	root.SetErr(env.Err)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitFine
	}
	fmt.Fprintf(env.Err, "heliograph: %v\n", err)
	if !isUsage(err) {
		return exitFailed
	}
	fmt.Fprintf(env.Err, "Run '%s --help' to see what there is.\n", cmd.CommandPath())
	return exitUsage
}

// isUsage tells a wrong command from a right one that failed.
func isUsage(err error) bool {
	for _, usage := range []error{errUsage, config.ErrSettings, auth.ErrName, auth.ErrUserName, auth.ErrRole, auth.ErrTTL, auth.ErrPassword, bench.ErrUsage, doctor.ErrUsage} {
		if errors.Is(err, usage) {
			return true
		}
	}
	return false
}

func newRoot(env Env) *cobra.Command {
	root := newServe(env)
	root.Use = "heliograph"
	root.Short = "A live-streaming server: publish from a browser or an encoder, watch in any browser"
	root.Long = root.Short + ".\nWithout a command it serves."
	root.SilenceErrors = true
	root.SilenceUsage = true
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return fmt.Errorf("%w: %w", errUsage, plain(err)) })
	root.AddCommand(newServe(env), newUser(env), newToken(env), newKey(env), newDoctor(env), newVersion(env), bench.Command())
	return root
}

// plain says which values a flag takes, where the error tells only what the
// parser made of a wrong one.
func plain(err error) error {
	var wrong *pflag.InvalidValueError
	if !errors.As(err, &wrong) {
		return err
	}
	var values string
	switch wrong.GetFlag().Value.Type() {
	case "bool":
		values = "true or false"
	case "duration":
		values = "a time like 90m or 24h"
	case "int":
		values = "a whole number"
	default:
		return err
	}
	return fmt.Errorf("--%s is %s, not %q", wrong.GetFlag().Name, values, wrong.GetValue())
}

// takes makes a cobra check of a number of arguments, whose error is a wrong usage.
func takes(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > most && most == 0:
			return fmt.Errorf("%w: there is no command %q", errUsage, args[0])
		case len(args) < least || len(args) > most:
			return fmt.Errorf("%w: it takes %s", errUsage, what)
		}
		return nil
	}
}
