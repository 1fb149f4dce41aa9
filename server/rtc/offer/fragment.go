package offer

import "strings"

// maxFragmentLines bounds what a PATCH may carry.
const maxFragmentLines = 256

// Fragment is a trickle-ice-sdpfrag (RFC 8840 section 9).
type Fragment struct {
	Ufrag    string   // "" when it names none
	Password string   // "" when it names none
	Section  []string // the first m-line and its mid, if it has them
}

// CheckRestart tells whether the fragment has the credentials that an ICE
// restart needs (RFC 8839 section 5.4).
func (f Fragment) CheckRestart() error {
	if n := len(f.Ufrag); n < 4 || n > 256 {
		return Malformed("To restart ICE the fragment needs an ice-ufrag of 4 to 256 characters.")
	}
	if n := len(f.Password); n < 22 || n > 256 {
		return Malformed("To restart ICE the fragment needs an ice-pwd of 22 to 256 characters.")
	}
	return nil
}

// ParseFragment reads a fragment. Candidates are checked for their shape only:
// an address that is no address or a transport that is not ours is skipped
// silently (RFC 9725 section 4.3.2), as every other is by an ICE-lite server.
func ParseFragment(text string) (Fragment, error) {
	var f Fragment
	lines, sections := 0, 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if lines++; lines > maxFragmentLines || len(line) > maxLine {
			return f, Malformed("The fragment is too long; at most %d lines are accepted.", maxFragmentLines)
		}
		if strings.ContainsFunc(line, isControl) {
			return f, Malformed("The fragment contains control characters.")
		}
		kind, value, ok := strings.Cut(line, "=")
		if !ok || kind != "a" && kind != "m" || value == "" {
			return f, Malformed("The fragment has a line that is neither an attribute nor an m-line.")
		}
		if kind == "m" {
			if sections++; sections == 1 {
				f.Section = append(f.Section, line)
			}
			continue
		}
		key, value, _ := strings.Cut(value, ":")
		switch key {
		case "ice-ufrag":
			f.Ufrag = value
		case "ice-pwd":
			f.Password = value
		case "mid":
			if sections == 1 && len(f.Section) == 1 {
				f.Section = append(f.Section, line)
			}
		case "candidate":
			if !candidateShape(value) {
				return f, Malformed("The fragment has a malformed candidate.")
			}
		}
	}
	if lines == 0 {
		return f, Malformed("The fragment has no line. Send candidates in it.")
	}
	return f, nil
}

// candidateShape tells whether a candidate has the fields of RFC 8839 section
// 5.1: foundation component transport priority address port "typ" type.
func candidateShape(v string) bool {
	f := strings.Fields(v)
	return len(f) >= 8 && f[6] == "typ"
}
