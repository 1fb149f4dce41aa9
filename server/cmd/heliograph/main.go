// Command heliograph is the server and its tools in one file; it hands the
// process to the command line of server/cli and knows nothing else.
package main

import (
	"context"
	"os"

	"github.com/heliograph/heliograph/server/cli"
)

func main() {
	os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Env{
		In:      os.Stdin,
		Out:     os.Stdout,
		Err:     os.Stderr,
		Environ: os.Environ(),
	}))
}
