package bench

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"":                                        func(*Config) {},
		"--whip is missing":                       func(c *Config) { c.WHIP.URL = "" },
		"--whep is not an http or https URL":      func(c *Config) { c.WHEP.URL = "whep://x" },
		"--metrics is not":                        func(c *Config) { c.Metrics = "x" },
		"--viewers is 2001":                       func(c *Config) { c.Viewers = 2001 },
		"--duration is 10m0.001s":                 func(c *Config) { c.Duration = 10*time.Minute + time.Millisecond },
		"--duration is 0s":                        func(c *Config) { c.Duration = 0 },
		"--ramp must be":                          func(c *Config) { c.Ramp = 0 },
		"--gop is 1m0s":                           func(c *Config) { c.GOP = time.Minute },
		"--pid is -1":                             func(c *Config) { c.PID = -1 },
		"is given twice":                          func(c *Config) { c.Clip = []string{"a.h264", "b.264"} },
		"sound alone":                             func(c *Config) { c.Clip = []string{"a.ogg"} },
		"a film brings its own sound":             func(c *Config) { c.Clip = []string{"a.mp4", "b.ogg"} },
		"--in-process has no --whip":              func(c *Config) { c.InProcess = true },
		`--relay is "quic": give udp, tcp or tls`: func(c *Config) { c.Relay = "quic" },
		"--in-process has no --relay": func(c *Config) {
			*c = Config{InProcess: true, Viewers: 5, Duration: time.Second, Relay: "udp"}
		},
		"--in-process has no --metrics": func(c *Config) {
			*c = Config{InProcess: true, Viewers: 5, Duration: time.Second, Metrics: "http://h/"}
		},
		"it must be 3 to 2000": func(c *Config) { *c = Config{InProcess: true, Viewers: 2, Duration: time.Second} },
	} {
		cfg := testConfig("http://127.0.0.1:1")
		change(&cfg)
		err := cfg.Validate()
		if want == "" {
			assert.NoError(t, err)
			continue
		}
		assert.ErrorIs(t, err, ErrUsage, want)
		assert.ErrorContains(t, err, want)
	}
}

func TestConfigInProcess(t *testing.T) {
	t.Parallel()
	cfg := Config{InProcess: true, Viewers: 5, Duration: time.Second}
	assert.NoError(t, cfg.Validate())
}

func TestParseRamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"50/s": 50, "50": 50, "0.5/s": 0.5, "1000/s": 1000,
		"": 0, "0/s": 0, "-1/s": 0, "1001/s": 0, "fast": 0, "NaN": 0, "Inf/s": 0, "50/m": 0,
	} {
		got, err := parseRamp(text)
		assert.InDelta(t, want, got, 0, text)
		assert.Equal(t, want == 0, err != nil, text)
	}
}

func TestCommandRefusesWrongUsage(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{}, {"--whip", "http://h/x", "--whep", "http://h/x", "--ramp", "often"}} {
		cmd := Command()
		var out bytes.Buffer
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&out)
		require.ErrorIs(t, cmd.ExecuteContext(t.Context()), ErrUsage)
	}
}
