package bench

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/bench/client"
	"github.com/heliograph/heliograph/server/bench/clip"
	"github.com/heliograph/heliograph/server/bench/inside"
)

// ErrUsage is wrapped by every error that comes from a wrong setting and not
// from the servers being measured.
var ErrUsage = errors.New("wrong usage")

// Bounds of a run, so that a typing mistake cannot occupy a machine for a day.
const (
	maxViewers  = 2000
	maxDuration = 10 * time.Minute
	maxRamp     = 1000 // joins per second
	minGOP      = 500 * time.Millisecond
	maxGOP      = 30 * time.Second
)

// Endpoint is one WHIP or WHEP resource.
type Endpoint struct {
	URL   string // http or https
	Token string // sent as a bearer token; "" sends no Authorization header
}

// Config says what to load and how much.
type Config struct {
	WHIP     Endpoint
	WHEP     Endpoint
	Viewers  int           // 1 to 2000
	Ramp     float64       // joins started per second, up to 1000
	Duration time.Duration // length of the measured window, up to 10 minutes
	Warmup   time.Duration // left out of the measurement after the last join
	Baseline time.Duration // time with a publisher and no viewer, for memory before
	Relay    client.Way    // viewers come through the server's TURN in this way; "" for directly
	Clip     []string      // FILE.h264 and FILE.ogg, or one file for ffmpeg; empty makes the standard clip
	GOP      time.Duration // distance of the keyframes in a clip made by ffmpeg
	PID      int           // server process on this machine; 0 for none
	Metrics  string        // URL of a Prometheus page with go_memstats; "" for none

	InProcess bool // measure the sender in this process; of the above only Viewers and Duration count
}

// Validate reports the first setting that cannot be used, wrapped in ErrUsage.
func (c *Config) Validate() error {
	if c.InProcess {
		return c.validateInProcess()
	}
	if err := validURL("--whip", c.WHIP.URL); err != nil {
		return err
	}
	if err := validURL("--whep", c.WHEP.URL); err != nil {
		return err
	}
	if c.Metrics != "" {
		if err := validURL("--metrics", c.Metrics); err != nil {
			return err
		}
	}
	if err := c.validateSize(1); err != nil {
		return err
	}
	switch {
	case !(c.Ramp > 0 && c.Ramp <= maxRamp):
		return usage("--ramp must be more than 0 and at most %d joins per second", maxRamp)
	case c.GOP < minGOP || c.GOP > maxGOP:
		return usage("--gop is %s: it must be %s to %s", c.GOP, minGOP, maxGOP)
	case c.Relay != "" && c.Relay != client.UDP && c.Relay != client.TCP && c.Relay != client.TLS:
		return usage("--relay is %q: give udp, tcp or tls, which is how viewers speak to the server's TURN", c.Relay)
	case c.PID < 0:
		return usage("--pid is %d: give the number of the server's process", c.PID)
	}
	if err := clip.Check(c.Clip); err != nil {
		return usage("--clip: %v", err)
	}
	return nil
}

// validateSize checks what both ways of measuring have.
func (c *Config) validateSize(least int) error {
	switch {
	case c.Viewers < least || c.Viewers > maxViewers:
		return usage("--viewers is %d: it must be %d to %d", c.Viewers, least, maxViewers)
	case c.Duration <= 0 || c.Duration > maxDuration:
		return usage("--duration is %s: it must be more than 0 and at most %s", c.Duration, maxDuration)
	}
	return nil
}

func (c *Config) validateInProcess() error {
	for _, setting := range []struct {
		flag  string
		given bool
	}{
		{"--whip", c.WHIP != Endpoint{}}, {"--whep", c.WHEP != Endpoint{}},
		{"--pid", c.PID != 0}, {"--metrics", c.Metrics != ""}, {"--clip", len(c.Clip) > 0}, {"--relay", c.Relay != ""},
	} {
		if setting.given {
			return usage("--in-process has no %s: it measures the sender in this process, and no server", setting.flag)
		}
	}
	return c.validateSize(inside.MinViewers)
}

func validURL(flag, text string) error {
	if text == "" {
		return usage("%s is missing: give the URL of the endpoint, such as http://127.0.0.1:8080/%s/demo",
			flag, strings.TrimPrefix(flag, "--"))
	}
	u, err := url.Parse(text)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return usage("%s is not an http or https URL", flag)
	}
	return nil
}

// parseRamp reads "50/s" or "50" as joins per second.
func parseRamp(text string) (float64, error) {
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
	if err != nil || !(n > 0 && n <= maxRamp) {
		return 0, usage("--ramp %q: give joins per second, such as 50/s (at most %d/s)", text, maxRamp)
	}
	return n, nil
}

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUsage, fmt.Sprintf(format, args...))
}
