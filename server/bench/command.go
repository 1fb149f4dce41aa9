package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/heliograph/heliograph/server/bench/inside"
)

const help = `Publishes a clip to a WHIP endpoint, watches it with many viewers over a WHEP
endpoint, and reports the time to join, loss, latency and, with --pid, what the
server process took. Works with any WHIP and WHEP server.

The clip is 720p30 H.264 (2 Mbit/s) and Opus, made once by ffmpeg and kept in
your cache directory; --clip takes your own. Every frame gets a time stamp in a
packet of its own, so the load is about 2.3 Mbit/s and 300 packets a second for
each viewer. Latency stands on the clock of this machine: publisher and viewers
are both here, the server may be anywhere.

A viewer does what a browser does: it offers transport-wide congestion control
and RTX, answers and sends ICE checks, and sends a receiver report each second
and, to servers that take it, transport-wide feedback each 100 ms, so that the
server's work on them is in the figures. Unlike a browser it asks for no packet
again, so what is lost shows as loss; it decrypts the first packets of each
frame and a sample of the others; and it reads its packets every 20 ms, many at
once, each with the kernel's time stamp, so that a viewer costs little and no
server on the same machine pays for waking it up.

With --relay all viewers come through the TURN server that the WHEP answer names
in its Link headers, with the credentials there, and ChannelData; the publisher
comes directly. If the answer names no TURN server for the way you chose, one
that it names for another way is asked at the same address: Heliograph gives
browsers no TURN by UDP, and none by TLS without a certificate that they trust,
but has both. Any TLS certificate is taken: this is a measurement, often of a
server that signed its own, and the password of TURN is never sent, nor any
media in the clear. TURN servers allow an address few allocations; so, against
a server on 127.0.0.1 (Linux), every eight viewers come from an address of
their own in 127.1.0.0/16, while elsewhere the server's limit is that of the
run. A packet that came by TCP has the time of the piece that it came in.

Ctrl-C ends the run early and reports what was measured until then.

With --in-process there is no other server: the hub, the port and the sender run
in this process, feed themselves (30 frames/s of 8 packets, a keyframe of 32
every 2 s, 50 audio packets/s), and the viewers cost nothing once they have
joined, as the kernel throws away what comes for them; the first and the last of
them read their packets and tell the latency. It measures the sender alone, at
that pace and flat out, next to the least that any sender has to do: a header,
AES-GCM and one system call for each viewer and burst. GOMAXPROCS=1 makes the
figures those of one core.
`

const example = `  heliograph bench --whip http://127.0.0.1:8080/whip/load --whip-token KEY \
    --whep http://127.0.0.1:8080/whep/load --viewers 100 --pid $(pidof heliograph)

  heliograph bench --relay tls --whip http://127.0.0.1:8080/whip/load \
    --whep http://127.0.0.1:8080/whep/load

  GOMAXPROCS=1 heliograph bench --in-process --viewers 500`

// Command returns the command `bench`. It prints the report on its standard
// output and the progress on its standard error. A wrong setting is an error
// that wraps ErrUsage.
func Command() *cobra.Command {
	cfg := Config{Warmup: 3 * time.Second, Baseline: time.Second}
	ramp, asJSON := "", false
	cmd := &cobra.Command{
		Use:     "bench --whip URL --whep URL | bench --in-process",
		Short:   "Load a WHIP/WHEP server with one publisher and many viewers, and measure it",
		Long:    help,
		Example: example,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if cfg.Ramp, err = parseRamp(ramp); err != nil {
				return err
			}
			return execute(cmd, cfg, asJSON)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cfg.WHIP.URL, "whip", "", "URL to publish to")
	f.StringVar(&cfg.WHIP.Token, "whip-token", "", "bearer token for publishing")
	f.StringVar(&cfg.WHEP.URL, "whep", "", "URL to watch")
	f.StringVar(&cfg.WHEP.Token, "whep-token", "", "bearer token for watching")
	f.IntVar(&cfg.Viewers, "viewers", 10, "number of viewers, at most 2000")
	f.DurationVar(&cfg.Duration, "duration", 20*time.Second, "length of the measured window, at most 10m")
	f.StringVar(&ramp, "ramp", "50/s", "joins started per second")
	f.StringVar((*string)(&cfg.Relay), "relay", "", "udp, tcp or tls: viewers come through the server's TURN in this way")
	f.StringArrayVar(&cfg.Clip, "clip", nil, "FILE.h264 (Annex B, 30 frames a second, no B frames), FILE.ogg (Opus), or any film for ffmpeg")
	f.DurationVar(&cfg.GOP, "gop", 2*time.Second, "distance of the keyframes in a clip made by ffmpeg")
	f.IntVar(&cfg.PID, "pid", 0, "server process on this machine whose CPU and memory to measure")
	f.StringVar(&cfg.Metrics, "metrics", "", "URL of the server's Prometheus metrics, for its Go heap and stacks")
	f.BoolVar(&cfg.InProcess, "in-process", false, "measure the sender alone, in this process (Linux)")
	f.BoolVar(&asJSON, "json", false, "print the report as JSON")
	return cmd
}

// printer is a report of either kind.
type printer interface {
	WriteText(w io.Writer) error
	WriteJSON(w io.Writer) error
}

func execute(cmd *cobra.Command, cfg Config, asJSON bool) error {
	ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := measure(ctx, cfg, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	if asJSON {
		err = report.WriteJSON(cmd.OutOrStdout())
	} else {
		err = report.WriteText(cmd.OutOrStdout())
	}
	if err != nil {
		return fmt.Errorf("the report could not be written: %w", err)
	}
	return nil
}

func measure(ctx context.Context, cfg Config, progress io.Writer) (printer, error) {
	if !cfg.InProcess {
		return Run(ctx, cfg, progress)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	report, err := inside.Run(ctx, inside.Config{Viewers: cfg.Viewers, Duration: cfg.Duration}, progress)
	if err != nil {
		return nil, fmt.Errorf("--in-process: %w", err)
	}
	return report, nil
}
