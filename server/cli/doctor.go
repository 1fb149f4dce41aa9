package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/doctor"
)

const doctorHelp = `Tries every way from this machine to a server, one after the other, and says of
each whether it works, how long it took, or what is blocked, why probably, and
whom to ask. Run it where watching or publishing fails; it needs no account and
nothing of the server's own files.

It ends with 0 when at least one way carries pictures and sound, else with 1.`

// errNoWay is what the doctor ends with when it can do nothing.
var errNoWay = errors.New("no way carries pictures and sound")

func newDoctor(env Env) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:     "doctor URL",
		Short:   "Find out by which ways a server can be reached from this machine",
		Long:    doctorHelp,
		Example: "  heliograph doctor https://live.example.org",
		Args:    takes(1, 1, "the URL of a server"),
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the results as JSON")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		report, err := doctor.Run(ctx, args[0], func(r doctor.Result) {
			if !asJSON {
				fmt.Fprintln(env.Out, r.Line())
			}
		})
		if err != nil {
			return err
		}
		if err := printReport(env, report, asJSON); err != nil {
			return err
		}
		if !report.Media {
			return errNoWay
		}
		return nil
	}
	return cmd
}

func printReport(env Env, report *doctor.Report, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(env.Out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		return out.Encode(report)
	}
	_, err := fmt.Fprintf(env.Out, "\n%s\n", report.Verdict())
	return err
}
