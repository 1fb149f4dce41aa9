// Package redact takes the secrets out of what people and logs get to see of a
// URL: passwords, stream keys, tokens. It knows where they stand in the
// addresses of cameras and of services that are streamed to, and nothing of the
// protocols.
package redact

import (
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// longElement is how long a path's element may be before it is taken for a key,
// in characters: the words that services use are shorter, their keys longer.
const longElement = 16

// longSecret is from how many bytes on a secret is taken for one wherever it
// stands in a text, and not for a part of a word.
const longSecret = 8

// maxText bounds a cleaned text, in characters.
const maxText = 300

// assignment finds name=value where the name says that the value is a secret.
// Cameras have such pairs in the query, and some in the path. Where pairs are
// joined by "_" too much is taken rather than too little.
var assignment = regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:pass|pwd|token|key|secret|auth|sig|cred|session)[a-z0-9_.-]*=)([^&/;?#]*)`)

// Rules say what of a URL is a secret.
type Rules struct {
	Mark  string // what stands for a secret
	User  bool   // the user's name is one where it stands without a password, which always is
	Path  bool   // the path's long elements are, and its last where the query has none
	Query bool   // all values are, else those whose name says so
}

// Camera returns the rules for the address of a camera.
func Camera() Rules { return Rules{Mark: "***"} }

// Target returns the rules for an address that is streamed to.
func Target(scheme string) Rules {
	path := scheme != "rtsp" && scheme != "rtsps" && scheme != "srt"
	return Rules{Mark: "•••", User: true, Path: path, Query: true}
}

// URL returns the address with each secret replaced by the mark. The fragment,
// which goes nowhere, is left out.
func (r Rules) URL(u *url.URL) string {
	return r.walk(u, func(raw string) string {
		if raw == "" {
			return ""
		}
		return r.Mark
	})
}

// walk puts the address together with what mask makes of each secret, which it
// gets as it stands in the address.
func (r Rules) walk(u *url.URL, mask func(raw string) string) string {
	var b strings.Builder
	b.WriteString(u.Scheme + "://")
	if u.User != nil {
		name, pass, hasPass := strings.Cut(u.User.String(), ":")
		if r.User && pass == "" {
			name = mask(name)
		}
		b.WriteString(name)
		if hasPass {
			b.WriteString(":" + mask(pass))
		}
		b.WriteString("@")
	}
	b.WriteString(u.Host)
	b.WriteString(r.path(u, mask))
	if u.RawQuery != "" {
		b.WriteString("?" + r.query(u.RawQuery, mask))
	}
	return b.String()
}

func (r Rules) path(u *url.URL, mask func(string) string) string {
	elements := strings.Split(u.EscapedPath(), "/")
	inQuery := keyed(u.RawQuery)
	last := len(elements) - 1
	for last > 0 && elements[last] == "" {
		last--
	}
	for i, e := range elements {
		if r.Path && (i == last && !inQuery || len(e) >= longElement) {
			elements[i] = mask(e)
		} else {
			elements[i] = assigned(e, mask)
		}
	}
	return strings.Join(elements, "/")
}

// keyed tells whether a query holds the key, so that the path need not.
func keyed(query string) bool {
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		switch strings.ToLower(name) {
		case "key", "token", "pass", "streamid":
			if value != "" {
				return true
			}
		}
	}
	return false
}

func (r Rules) query(query string, mask func(string) string) string {
	if !r.Query {
		return assigned(query, mask)
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if ok {
			pairs[i] = name + "=" + mask(value)
		} else {
			pairs[i] = mask(pair)
		}
	}
	return strings.Join(pairs, "&")
}

// assigned masks the values of secret names in a part of an address.
func assigned(part string, mask func(string) string) string {
	var b strings.Builder
	for {
		at := assignment.FindStringSubmatchIndex(part)
		if at == nil {
			return b.String() + part
		}
		b.WriteString(part[:at[4]] + mask(part[at[4]:at[5]]))
		part = part[at[5]:]
	}
}

// Secrets returns all forms in which the secrets of an address may turn up in a
// text, the longest first.
func (r Rules) Secrets(u *url.URL) []string {
	var list []string
	add := func(s string) {
		if s != "" {
			list = append(list, s)
		}
	}
	r.walk(u, func(raw string) string {
		if plain, err := url.PathUnescape(raw); err == nil && plain == r.Mark {
			return raw // an address that was shown before
		}
		add(raw)
		for _, decode := range []func(string) (string, error){url.PathUnescape, url.QueryUnescape} {
			if plain, err := decode(raw); err == nil {
				add(plain)
				add(url.PathEscape(plain))
				add(url.QueryEscape(plain))
				add(strings.Trim(strconv.Quote(plain), `"`))
			}
		}
		return raw
	})
	if pass, ok := u.User.Password(); ok && pass != r.Mark {
		add(base64.StdEncoding.EncodeToString([]byte(u.User.Username() + ":" + pass)))
	}
	slices.SortFunc(list, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(list)
}

// Text returns a text of somebody else, an error or a message of a server,
// without secrets, control characters and excess length.
func (r Rules) Text(text string, secrets []string) string {
	for _, s := range secrets {
		text = r.replace(text, s)
	}
	text = strings.Map(func(c rune) rune {
		if unicode.IsControl(c) || c == unicode.ReplacementChar {
			return ' '
		}
		return c
	}, text)
	if runes := []rune(text); len(runes) > maxText {
		text = string(runes[:maxText-1]) + "…"
	}
	return strings.TrimSpace(text)
}

// sentence matches how a sentence begins, and an error of Go does not.
var sentence = regexp.MustCompile(`^[A-Z][a-z]* [a-z]`)

// Sentence tells whether a text can be shown to a person as it is, and ends it
// with a full stop.
func Sentence(text string) (string, bool) {
	if !sentence.MatchString(text) {
		return text, false
	}
	if !strings.HasSuffix(strings.TrimSuffix(text, `"`), ".") && !strings.HasSuffix(text, "…") {
		text += "."
	}
	return text, true
}

// replace takes a secret out of a text. A short one is taken out where it stands
// alone: replaced everywhere, a key like "a" would leave nothing to read.
func (r Rules) replace(text, secret string) string {
	if len(secret) >= longSecret {
		return strings.ReplaceAll(text, secret, r.Mark)
	}
	var b strings.Builder
	kept, from := 0, 0 // what is written, and where to search on
	for {
		at := strings.Index(text[from:], secret)
		if at < 0 {
			return b.String() + text[kept:]
		}
		at += from
		end := at + len(secret)
		if inWord(text, at) || inWord(text, end) {
			from = at + 1
			continue
		}
		b.WriteString(text[kept:at] + r.Mark)
		kept, from = end, end
	}
}

// inWord tells whether a place in a text has a word on both its sides.
func inWord(text string, at int) bool {
	return at > 0 && at < len(text) && alphanumeric(text[at-1]) && alphanumeric(text[at])
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}
