package config

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

// Bounds on the first user's password, in bytes: those of one that is chosen in
// the web app.
const (
	minPassword = 8
	maxPassword = 1024
)

// known tells whether key is a setting of the file and the environment.
func known(key string) bool {
	switch key {
	case keyListen, keyData, keyPublicHost, keySTUN, keyOpen, keyReadyJSON, keyLog,
		keyRTMP, keyRTMPS, keyRTSP, keyRTSPS, keySRT, keyDomain, keyTLS, keyTLSCert, keyTLSKey, keyTranscode, keyPassphrase:
		return true
	}
	return false
}

// typed checks that the value from a file or the environment fits its key.
func typed(key string, v any) (any, error) {
	switch key {
	case keySources:
		return entries(key, v, typedSource)
	case keyPushes:
		return entries(key, v, typedPush)
	case keyListen, keyData, keyLog, keySTUN, keyRTMP, keyRTMPS, keyRTSP, keyRTSPS, keySRT,
		keyDomain, keyTLS, keyTLSCert, keyTLSKey, keyTranscode, keyPassphrase:
		if s, ok := v.(string); ok {
			return s, nil
		}
		return nil, fmt.Errorf("%s needs a text, like %s", key, example(key))
	case keyOpen, keyReadyJSON:
		b, err := strconv.ParseBool(fmt.Sprint(v))
		if err != nil {
			return nil, fmt.Errorf("%s is true or false, not %q", key, fmt.Sprint(v))
		}
		return b, nil
	case keyPublicHost:
		return list(v)
	}
	return nil, fmt.Errorf("there is no setting %q", key)
}

func example(key string) string {
	switch key {
	case keyListen:
		return `":8080"`
	case keyData:
		return `"./data"`
	case keySTUN:
		return `"stun.example.org:3478"`
	case keyTranscode:
		return `"auto"`
	case keyDomain:
		return `"live.example.org"`
	case keyTLS:
		return `"self-signed"`
	case keyTLSCert, keyTLSKey:
		return `"./live.pem"`
	case keyPassphrase:
		return `"ten to 79 characters"`
	case keyLog:
		return `"text"`
	}
	return `":1935"`
}

// list reads a YAML list of texts, or one text with commas.
func list(v any) ([]string, error) {
	switch v := v.(type) {
	case string:
		var out []string
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				out = append(out, part)
			}
		}
		return out, nil
	case []any:
		var out []string
		for _, e := range v {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("%s is a list of names and addresses, not %v", keyPublicHost, e)
			}
			out = append(out, s)
		}
		return out, nil
	}
	return nil, fmt.Errorf("%s is a list of names and addresses", keyPublicHost)
}

// Validate returns ErrSettings with a sentence on the first that cannot work.
func (s Settings) Validate() error {
	if err := s.validateData(); err != nil {
		return err
	}
	if err := checkListen(keyListen, s.Listen); err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := s.Encoders.validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := s.TLS.validate(s.Encoders); err != nil {
		return fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if s.Transcode != "auto" && s.Transcode != "off" {
		return fmt.Errorf("%w: --%s is auto or off, not %q", ErrSettings, keyTranscode, s.Transcode)
	}
	if n := len(s.AdminPassword); n != 0 && (n < minPassword || n > maxPassword) {
		return fmt.Errorf("%w: %s needs %d to %d characters", ErrSettings, envAdminPassword, minPassword, maxPassword)
	}
	if s.Log != "text" && s.Log != "json" {
		return fmt.Errorf("%w: --%s is text or json, not %q", ErrSettings, keyLog, s.Log)
	}
	return nil
}

func (s Settings) validateData() error {
	if s.Data == "" {
		return fmt.Errorf("%w: --%s needs a folder, like ./data", ErrSettings, keyData)
	}
	return nil
}

func checkListen(key, listen string) error {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("--%s is host:port, like :8080 or 127.0.0.1:8080, not %q", key, listen)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("--%s: the port is 0 to 65535, not %q", key, port)
	}
	if host == "" {
		return nil
	}
	if err := CheckHost(host); err != nil {
		return fmt.Errorf("--%s: %w", key, err)
	}
	return nil
}
