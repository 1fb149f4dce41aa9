// Package config reads the settings from flags, the environment and a file,
// in this order of precedence, and says clearly what is wrong with them. It
// knows no package that the settings are for.
package config

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/knadh/koanf/parsers/yaml"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/providers/env/v2"
	"github.com/knadh/koanf/providers/posflag"
	"github.com/knadh/koanf/v2"
	"github.com/spf13/pflag"
)

// Names of the settings: flags, keys of the file, and with EnvPrefix and upper
// case the environment.
const (
	keyListen     = "listen"
	keyData       = "data"
	keyPublicHost = "public-host"
	keySTUN       = "stun"
	keyOpen       = "open"
	keyReadyJSON  = "ready-json"
	keyLog        = "log"
	keyRTMP       = "rtmp"
	keyRTMPS      = "rtmps"
	keyRTSP       = "rtsp"
	keyRTSPS      = "rtsps"
	keySRT        = "srt"
	keyDomain     = "domain"
	keyTLS        = "tls"
	keyTLSCert    = "tls-cert"
	keyTLSKey     = "tls-key"
	keyTranscode  = "transcode"
)

// Names of what stands only in the file, and keyPassphrase in the environment
// too: secrets and lists are no flags.
const (
	keyPassphrase = "srt-passphrase"
	keySources    = "sources"
	keyPushes     = "pushes"
)

// EnvPrefix begins the name of each environment variable.
const EnvPrefix = "HELIOGRAPH_"

// envAdminPassword is read only from the environment: a password on a command
// line is seen by everybody on the machine.
const envAdminPassword = EnvPrefix + "ADMIN_PASSWORD"

const flagConfig = "config"

// Where the one port is unless somebody says otherwise.
const (
	defaultListen       = ":8080"
	defaultListenDomain = ":443"
)

// envConfig names the file for a command without the flag.
const envConfig = EnvPrefix + "CONFIG"

// maxFile bounds the settings file, in bytes.
const maxFile = 1 << 20

// Settings are all that an operator can set.
type Settings struct {
	Listen        string   // host:port of the one port, TCP and UDP
	TLS           TLS      // where the certificate comes from
	Data          string   // folder of the database
	PublicHosts   []Host   // announced to clients
	STUN          Host     // server that tells where the world sees this one, zero for none
	Open          bool     // anyone may publish
	ReadyJSON     bool     // say on stdout as JSON when ready
	Log           string   // "text" or "json"
	AdminPassword string   // of the user made when there is none, "" for a set-up link
	Encoders      Encoders // where encoders connect
	Transcode     string   // "auto" or "off": whether pictures that browsers cannot play are coded again
	Sources       []Source // cameras to pull
	Pushes        []Push   // where streams are sent on to
}

// Encoders says where encoders connect, each as host:port, "" for not at all.
type Encoders struct {
	RTMP, RTMPS string
	RTSP, RTSPS string
	SRT         string
	Passphrase  string // that SRT connections are encrypted with, "" for any
}

// TLS says where the certificate comes from that everything is encrypted with:
// from one of the three at most.
type TLS struct {
	Domain      string // got by ACME for this name
	SelfSigned  bool   // made by this server
	Certificate string // file of the operator's own, PEM
	Key         string // file of its key, PEM
}

// On says whether there is a certificate.
func (t TLS) On() bool { return t.Domain != "" || t.SelfSigned || t.Certificate != "" }

// Source is one camera of the settings file.
type Source struct {
	Stream    string
	URL       string // rtsp:// or rtsps://, with user and password
	Transport string // auto, tcp or udp
	When      string // always or watched
	Private   bool   // the address may be on this machine's own or a private network
}

// Push is one target of the settings file.
type Push struct {
	Stream string
	URL    string
}

// ErrSettings is returned for settings that cannot work.
var ErrSettings = errors.New("the settings are wrong")

// Flags adds the flags of the server to fs.
func Flags(fs *pflag.FlagSet) {
	DatabaseFlags(fs)
	fs.String(keyListen, defaultListen, "the one port, TCP and UDP of the same number; 127.0.0.1:0 picks a free one (default with --domain: :443)")
	fs.StringSlice(keyPublicHost, nil, "name or address announced to clients, with :PORT if the port has another number there; may be given more than once (default: found from the interfaces)")
	fs.String(keySTUN, "", "STUN server, as NAME or NAME:PORT, to ask for the address that the world sees behind a router or a cloud's 1:1 NAT; nobody is asked without")
	fs.Bool(keyOpen, false, "anyone may publish, for a demo or a LAN")
	fs.Bool(keyReadyJSON, false, "print one line of JSON on stdout when ready")
	fs.String(keyLog, "text", "how to log to stderr: text or json")
	fs.String(keyRTMP, ":1935", "where encoders connect by RTMP; empty for off")
	fs.String(keyRTMPS, "", "the same with TLS; needs a certificate")
	fs.String(keyRTSP, ":8554", "where encoders and players connect by RTSP; empty for off")
	fs.String(keyRTSPS, "", "the same with TLS; needs a certificate")
	fs.String(keySRT, ":8890", "where encoders and players connect by SRT; empty for off")
	fs.String(keyDomain, "", "get a certificate for this name from Let's Encrypt, and renew it; the name must lead to this server")
	fs.String(keyTLS, "", "self-signed: make a certificate for this machine's names and addresses, of which browsers warn once")
	fs.String(keyTLSCert, "", "file of your own certificate with its chain (PEM); read again when it changes")
	fs.String(keyTLSKey, "", "file of the certificate's key (PEM)")
	fs.String(keyTranscode, "auto", "code pictures again that browsers cannot play: auto or off (needs ffmpeg)")
}

// DatabaseFlags adds the flags that all commands on the database share.
func DatabaseFlags(fs *pflag.FlagSet) {
	fs.String(flagConfig, "", "YAML file with settings; its keys are named like the flags of serve")
	fs.String(keyData, "./data", "folder of the database")
}

// Load reads the settings: flags, then environ (in the form of os.Environ),
// then the file of --config, then the defaults. fs may hold only some of the
// flags. Errors are ErrSettings.
func Load(fs *pflag.FlagSet, environ []string) (Settings, error) {
	k := koanf.New(".")
	if err := loadFile(k, fs, environ); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := loadEnviron(k, environ); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	listening := k.Exists(keyListen) || fs.Changed(keyListen)
	if err := k.Load(posflag.Provider(fs, ".", k), nil); err != nil {
		return Settings{}, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	s := Settings{
		Listen:        k.String(keyListen),
		Data:          k.String(keyData),
		Open:          k.Bool(keyOpen),
		ReadyJSON:     k.Bool(keyReadyJSON),
		Log:           k.String(keyLog),
		AdminPassword: lookup(environ, envAdminPassword),
		Encoders: Encoders{
			RTMP: k.String(keyRTMP), RTMPS: k.String(keyRTMPS), RTSP: k.String(keyRTSP), RTSPS: k.String(keyRTSPS),
			SRT: k.String(keySRT), Passphrase: k.String(keyPassphrase),
		},
		TLS: TLS{
			Domain: strings.ToLower(k.String(keyDomain)), SelfSigned: k.String(keyTLS) == selfSigned,
			Certificate: k.String(keyTLSCert), Key: k.String(keyTLSKey),
		},
		Transcode: k.String(keyTranscode),
		Sources:   sources(k),
		Pushes:    pushes(k),
	}
	if fs.Lookup(keyListen) == nil {
		return s, s.validateData()
	}
	if err := checkTLS(k.String(keyTLS)); err != nil {
		return s, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := s.addHosts(k.Strings(keyPublicHost), k.String(keySTUN)); err != nil {
		return s, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if s.TLS.Domain != "" && !listening {
		s.Listen = defaultListenDomain
	}
	return s, s.Validate()
}

// loadFile reads the file of --config, or of the environment's name for it.
func loadFile(k *koanf.Koanf, fs *pflag.FlagSet, environ []string) error {
	path, from := lookup(environ, envConfig), envConfig
	if f := fs.Lookup(flagConfig); f != nil && f.Changed {
		path, from = f.Value.String(), "--"+flagConfig
	}
	if path == "" {
		return nil
	}
	b, err := readFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	return parseFile(k, path, b)
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", path, maxFile)
	}
	return os.ReadFile(path)
}

// parseFile takes only keys that exist, each with a value of its type: a
// setting that is silently ignored costs its owner an evening.
func parseFile(k *koanf.Koanf, path string, b []byte) error {
	file, err := yaml.Parser().Unmarshal(b)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	for key, v := range file {
		if file[key], err = typed(key, v); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return k.Load(confmap.Provider(file, ""), nil)
}

// loadEnviron takes the variables that are settings and leaves others alone:
// the environment is shared, also with other versions of this program.
func loadEnviron(k *koanf.Koanf, environ []string) error {
	var wrong error
	err := k.Load(env.Provider(".", env.Opt{
		Prefix:      EnvPrefix,
		EnvironFunc: func() []string { return environ },
		TransformFunc: func(name, value string) (string, any) {
			key := keyOf(name)
			if !known(key) {
				return "", nil
			}
			v, err := typed(key, value)
			if err != nil && wrong == nil {
				wrong = fmt.Errorf("%s: %w", name, err)
			}
			return key, v
		},
	}), nil)
	return errors.Join(err, wrong)
}

// keyOf returns the key that a variable would set.
func keyOf(variable string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimPrefix(variable, EnvPrefix)), "_", "-")
}

// Unknown returns the names of the variables that look like settings and are
// none, sorted: a slip of the pen, or another version's.
func Unknown(environ []string) []string {
	var names []string
	for _, e := range environ {
		name, _, ok := strings.Cut(e, "=")
		if ok && strings.HasPrefix(name, EnvPrefix) && name != envAdminPassword && name != envConfig && !known(keyOf(name)) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// lookup returns the last value of a variable, as the shell has it.
func lookup(environ []string, name string) string {
	var value string
	for _, e := range environ {
		if k, v, ok := strings.Cut(e, "="); ok && k == name {
			value = v
		}
	}
	return value
}
