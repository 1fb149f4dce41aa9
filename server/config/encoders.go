package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/knadh/koanf/v2"
)

// Bounds on the passphrase of SRT, in bytes (SRT API, SRTO_PASSPHRASE).
const (
	minPassphrase = 10
	maxPassphrase = 79
)

// maxEntries bounds the lists of the settings file.
const maxEntries = 500

func (e Encoders) validate() error {
	for _, l := range []struct{ key, listen string }{
		{keyRTMP, e.RTMP}, {keyRTMPS, e.RTMPS}, {keyRTSP, e.RTSP}, {keyRTSPS, e.RTSPS}, {keySRT, e.SRT},
	} {
		if l.listen == "" {
			continue
		}
		if err := checkListen(l.key, l.listen); err != nil {
			return err
		}
	}
	if n := len(e.Passphrase); n != 0 && (n < minPassphrase || n > maxPassphrase) {
		return fmt.Errorf("%s has %d to %d characters", keyPassphrase, minPassphrase, maxPassphrase)
	}
	return nil
}

// entries checks a list of the file: each entry has only keys that exist, with
// values of their types.
func entries(list string, v any, typed func(map[string]any) error) (any, error) {
	all, ok := v.([]any)
	if !ok || len(all) > maxEntries {
		return nil, fmt.Errorf("%s is a list of at most %d", list, maxEntries)
	}
	for i, e := range all {
		entry, ok := e.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("%s: entry %d has no keys like stream and url", list, i+1)
		}
		if err := typed(entry); err != nil {
			return nil, fmt.Errorf("%s: entry %d: %w", list, i+1, err)
		}
	}
	return all, nil
}

func typedSource(entry map[string]any) error {
	if entry["transport"] == nil {
		entry["transport"] = "auto"
	}
	if entry["when"] == nil {
		entry["when"] = "always"
	}
	if entry["private"] == nil {
		entry["private"] = false
	}
	if _, ok := entry["private"].(bool); !ok {
		return errors.New("private is true or false")
	}
	return texts(entry, []string{"private"}, "stream", "url", "transport", "when")
}

func typedPush(entry map[string]any) error { return texts(entry, nil, "stream", "url") }

// texts checks that an entry has these keys, with texts, and no others but
// those that are allowed beside them.
func texts(entry map[string]any, beside []string, keys ...string) error {
	for key := range entry {
		if !slices.Contains(keys, key) && !slices.Contains(beside, key) {
			return fmt.Errorf("there is no key %q; the keys are %s", key, strings.Join(slices.Concat(keys, beside), ", "))
		}
	}
	for _, key := range keys {
		if s, ok := entry[key].(string); !ok || s == "" {
			return fmt.Errorf("%s is needed, as a text", key)
		}
	}
	return nil
}

func sources(k *koanf.Koanf) []Source {
	var list []Source
	for _, e := range k.Slices(keySources) {
		list = append(list, Source{
			Stream: e.String("stream"), URL: e.String("url"), Transport: e.String("transport"), When: e.String("when"),
			Private: e.Bool("private"),
		})
	}
	return list
}

func pushes(k *koanf.Koanf) []Push {
	var list []Push
	for _, e := range k.Slices(keyPushes) {
		list = append(list, Push{Stream: e.String("stream"), URL: e.String("url")})
	}
	return list
}
