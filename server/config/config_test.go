package config_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/config"
)

func load(t *testing.T, file string, environ []string, args ...string) (config.Settings, error) {
	t.Helper()
	fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
	config.Flags(fs)
	if file != "" {
		path := filepath.Join(t.TempDir(), "settings.yaml")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
		args = append(args, "--config", path)
	}
	require.NoError(t, fs.Parse(args))
	return config.Load(fs, environ)
}

func hosts(names ...string) (all []config.Host) {
	for _, n := range names {
		all = append(all, config.Host{Name: n})
	}
	return all
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	defaults := config.Settings{
		Listen: ":8080", Data: "./data", Log: "text", Transcode: "auto",
		Encoders: config.Encoders{RTMP: ":1935", RTSP: ":8554", SRT: ":8890"},
	}
	lists := "sources:\n- {stream: door, url: \"rtsp://a:b@192.0.2.1/1\"}\n" +
		"- {stream: yard, url: \"rtsp://192.0.2.2/\", transport: tcp, when: watched, private: true}\n" +
		"pushes:\n- {stream: door, url: \"rtmp://a.example/app/key\"}\n"
	file := "listen: 127.0.0.1:1\ndata: fromfile\nopen: true\npublic-host: [file.example]\n"
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		args    []string
		change  func(*config.Settings)
	}{
		{"nothing", "", nil, nil, func(*config.Settings) {}},
		{"file", file, nil, nil, func(s *config.Settings) {
			s.Listen, s.Data, s.Open, s.PublicHosts = "127.0.0.1:1", "fromfile", true, hosts("file.example")
		}},
		{"environment over file", file, []string{"HELIOGRAPH_LISTEN=127.0.0.1:2", "HELIOGRAPH_OPEN=false", "HELIOGRAPH_PUBLIC_HOST=a.example, 192.0.2.1"}, nil, func(s *config.Settings) {
			s.Listen, s.Data, s.PublicHosts = "127.0.0.1:2", "fromfile", hosts("a.example", "192.0.2.1")
		}},
		{"flag over both", file, []string{"HELIOGRAPH_LISTEN=127.0.0.1:2"}, []string{"--listen", "127.0.0.1:3", "--open=false", "--public-host", "x.example", "--public-host", "y.example"}, func(s *config.Settings) {
			s.Listen, s.Data, s.PublicHosts = "127.0.0.1:3", "fromfile", hosts("x.example", "y.example")
		}},
		{"hosts with ports", "stun: 192.0.2.3\n", nil, []string{"--public-host", "x.example:9000", "--public-host", "2001:db8::1,[2001:db8::2]:9001"}, func(s *config.Settings) {
			s.PublicHosts = []config.Host{{"x.example", 9000}, {"2001:db8::1", 0}, {"2001:db8::2", 9001}}
			s.STUN = config.Host{Name: "192.0.2.3", Port: 3478}
		}},
		{"STUN", "", []string{"HELIOGRAPH_STUN=stun.example"}, []string{"--stun", "stun.example.org:19302"}, func(s *config.Settings) {
			s.STUN = config.Host{Name: "stun.example.org", Port: 19302}
		}},
		{"domain", "", nil, []string{"--domain", "Live.Example.org"}, func(s *config.Settings) {
			s.Listen, s.TLS = ":443", config.TLS{Domain: "live.example.org"}
		}},
		{"domain behind another port", "", []string{"HELIOGRAPH_LISTEN=:8080"}, []string{"--domain", "live.example.org"}, func(s *config.Settings) {
			s.TLS = config.TLS{Domain: "live.example.org"}
		}},
		{"domain in the file", "domain: live.example.org\nlisten: \":8080\"", nil, nil, func(s *config.Settings) {
			s.TLS = config.TLS{Domain: "live.example.org"}
		}},
		{"self-signed", "", []string{"HELIOGRAPH_TLS=self-signed"}, []string{"--rtsps", ":8322"}, func(s *config.Settings) {
			s.TLS, s.Encoders.RTSPS = config.TLS{SelfSigned: true}, ":8322"
		}},
		{"flag that says the default", file, nil, []string{"--listen", ":8080"}, func(s *config.Settings) {
			s.Data, s.Open, s.PublicHosts = "fromfile", true, hosts("file.example")
		}},
		{"others of the environment", "", []string{"HELIOGRAPH_LATER=1", "PATH=/bin", "nonsense", "HELIOGRAPH_ADMIN_PASSWORD=a=b=c=d=e", "HELIOGRAPH_READY_JSON=1", "HELIOGRAPH_LOG=json"}, nil, func(s *config.Settings) {
			s.AdminPassword, s.ReadyJSON, s.Log = "a=b=c=d=e", true, "json"
		}},
		{"encoders", "srt: \"\"\nrtmp: :1936\nsrt-passphrase: ten letters\ntranscode: \"off\"\n", []string{"HELIOGRAPH_RTMPS=:1937"},
			[]string{"--rtsp", "", "--tls-cert", "c.pem", "--tls-key", "k.pem"}, func(s *config.Settings) {
				s.Transcode = "off"
				s.Encoders = config.Encoders{RTMP: ":1936", RTMPS: ":1937", Passphrase: "ten letters"}
				s.TLS = config.TLS{Certificate: "c.pem", Key: "k.pem"}
			}},
		{"sources and pushes", lists, nil, nil, func(s *config.Settings) {
			s.Sources = []config.Source{
				{Stream: "door", URL: "rtsp://a:b@192.0.2.1/1", Transport: "auto", When: "always"},
				{Stream: "yard", URL: "rtsp://192.0.2.2/", Transport: "tcp", When: "watched", Private: true},
			}
			s.Pushes = []config.Push{{Stream: "door", URL: "rtmp://a.example/app/key"}}
		}},
		{"empty file", "# nothing\n", nil, nil, func(*config.Settings) {}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			want := defaults
			c.change(&want)
			got, err := load(t, c.file, c.environ, c.args...)
			require.NoError(t, err)
			require.Equal(t, want, got)
		})
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		file    string
		environ []string
		args    []string
		want    string
	}{
		{"listen without port", "", nil, []string{"--listen", "8080"}, "--listen is host:port"},
		{"port too large", "", nil, []string{"--listen", ":70000"}, "0 to 65535"},
		{"port as a name", "", nil, []string{"--listen", ":http"}, "0 to 65535"},
		{"listen on nonsense", "", nil, []string{"--listen", "a b:80"}, "no address"},
		{"no data", "", nil, []string{"--data", ""}, "--data"},
		{"log", "", nil, []string{"--log", "xml"}, "text or json"},
		{"host with port 0", "", nil, []string{"--public-host", "a.example:0"}, "1 to 65535"},
		{"port without host", "", nil, []string{"--public-host", ":80"}, "--public-host: \"\" is no address"},
		{"host with scheme", "", nil, []string{"--public-host", "http://a.example"}, "without scheme"},
		{"host with scheme and port", "", nil, []string{"--public-host", "http://a.example:80"}, "without scheme"},
		{"STUN with scheme", "", nil, []string{"--stun", "stun:a.example:3478"}, "--stun: "},
		{"STUN of another type", "stun: [a]\n", nil, nil, "stun needs a text, like"},
		{"environment", "", []string{"HELIOGRAPH_OPEN=maybe"}, nil, "HELIOGRAPH_OPEN"},
		{"short password", "", []string{"HELIOGRAPH_ADMIN_PASSWORD=1234567"}, nil, "HELIOGRAPH_ADMIN_PASSWORD needs 8 to 1024"},
		{"unknown key", "listne: :80\n", nil, nil, `no setting "listne"`},
		{"later key", "hls: true\n", nil, nil, `no setting "hls"`},
		{"encoder's port", "", nil, []string{"--rtmp", "1935"}, "--rtmp is host:port"},
		{"TLS without certificate", "", nil, []string{"--rtmps", ":1936"}, "--tls-cert"},
		{"two certificates", "", nil, []string{"--domain", "a.example", "--tls", "self-signed"}, "there is one certificate"},
		{"another kind of TLS", "", nil, []string{"--tls", "on"}, "--tls is self-signed"},
		{"domain that is an address", "", nil, []string{"--domain", "192.0.2.1"}, "--domain is a name"},
		{"domain of this network only", "", nil, []string{"--domain", "media"}, "--domain is a name"},
		{"domain with a path", "", nil, []string{"--domain", "https://a.example/"}, "--domain is a name"},
		{"certificate without key", "", nil, []string{"--tls-cert", "c.pem"}, "go together"},
		{"short passphrase", "srt-passphrase: short\n", nil, nil, "10 to 79"},
		{"transcode", "", nil, []string{"--transcode", "yes"}, "auto or off"},
		{"sources are no list", "sources: door\n", nil, nil, "sources is a list"},
		{"source without address", "sources: [{stream: door}]\n", nil, nil, "entry 1: url is needed"},
		{"source with more", "sources: [{stream: door, url: x, colour: red}]\n", nil, nil, `no key "colour"; the keys are stream, url, transport, when, private`},
		{"push with private", "pushes: [{stream: door, url: x, private: true}]\n", nil, nil, `no key "private"`},
		{"no entry", "pushes: [x]\n", nil, nil, "no keys"},
		{"wrong type", "listen: 8080\n", nil, nil, "listen needs a text"},
		{"list of lists", "public-host: [[a]]\n", nil, nil, "list of names"},
		{"nested", "listen: {port: 80}\n", nil, nil, "listen needs a text"},
		{"password in the file", "admin-password: x\n", nil, nil, "no setting"},
		{"no YAML", "{", nil, nil, "settings.yaml"},
		{"no file", "", nil, []string{"--config", "/nowhere/x.yaml"}, "--config: stat /nowhere/x.yaml"},
		{"no file, by environment", "", []string{"HELIOGRAPH_CONFIG=/nowhere/y.yaml"}, nil, "HELIOGRAPH_CONFIG: stat /nowhere/y.yaml"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := load(t, c.file, c.environ, c.args...)
			require.ErrorIs(t, err, config.ErrSettings)
			require.ErrorContains(t, err, c.want)
		})
	}
}

func TestCommandsNeedOnlyData(t *testing.T) {
	t.Parallel()
	fs := pflag.NewFlagSet("token", pflag.ContinueOnError)
	config.DatabaseFlags(fs)
	s, err := config.Load(fs, []string{"HELIOGRAPH_DATA=/srv/x", "HELIOGRAPH_ADMIN_PASSWORD=short"})
	require.NoError(t, err)
	require.Equal(t, "/srv/x", s.Data)
	path := filepath.Join(t.TempDir(), "settings.yaml")
	require.NoError(t, os.WriteFile(path, []byte("data: /srv/y\nopen: true\n"), 0o600))
	require.NoError(t, fs.Parse([]string{"--config", path}))
	s, err = config.Load(fs, nil)
	require.NoError(t, err)
	require.Equal(t, "/srv/y", s.Data)
}

func TestUnknownVariables(t *testing.T) {
	t.Parallel()
	require.Empty(t, config.Unknown([]string{"PATH=/bin", "HELIOGRAPH_CONFIG=x", "HELIOGRAPH_ADMIN_PASSWORD=x", "HELIOGRAPH_READY_JSON=1", "HELIOGRAPH_LISTEN"}))
	require.Equal(t, []string{"HELIOGRAPH_", "HELIOGRAPH_LISTNE"},
		config.Unknown([]string{"HELIOGRAPH_LISTNE=:80", "HELIOGRAPH_=", "HELIOGRAPH_LISTNE=:81"}))
}

func TestCheckHost(t *testing.T) {
	t.Parallel()
	for host, ok := range map[string]bool{
		"example.org": true, "localhost": true, "192.0.2.1": true, "2001:db8::1": true, "a-b.c": true,
		"": false, "-a.b": false, "a..b": false, "a b": false, "a.example.": false, "[::1]": false, "a_b": false, "a/b": false,
	} {
		require.Equal(t, ok, config.CheckHost(host) == nil, "%q", host)
	}
}

func FuzzCheckHost(f *testing.F) {
	for _, seed := range []string{"example.org", "192.0.2.1", "2001:db8::1", "a b", "http://x", "x:1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		if config.CheckHost(host) != nil {
			return
		}
		require.LessOrEqual(t, len(host), 300)
		for _, c := range host {
			require.Greater(t, c, ' ')
			require.NotContains(t, `"<>/\@?#`, string(c))
		}
	})
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{"listen: :80\n", "open: yes\n", "public-host: a,b\n", "? x\n", "a: &a {b: *a}\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, file string) {
		path := filepath.Join(t.TempDir(), "settings.yaml")
		require.NoError(t, os.WriteFile(path, []byte(file), 0o600))
		fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		config.Flags(fs)
		require.NoError(t, fs.Parse([]string{"--config", path}))
		s, err := config.Load(fs, nil)
		if err != nil {
			require.ErrorIs(t, err, config.ErrSettings)
			return
		}
		require.NoError(t, s.Validate())
	})
}
