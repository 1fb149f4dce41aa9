package offer

import "strings"

// maxFragmentLines bounds what a PATCH may carry.
const maxFragmentLines = 256

// Fragment is a trickle-ice-sdpfrag (RFC 8840 section 9).
type Fragment struct {
	Ufrag string // "" when it names none
}

// ParseFragment reads a fragment. Candidates are checked for their shape only:
// an address that is no address or a transport that is not ours is skipped
// silently (RFC 9725 section 4.3.2), as every other is by an ICE-lite server.
func ParseFragment(text string) (Fragment, error) {
	var f Fragment
	lines := 0
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			continue
		}
		if lines++; lines > maxFragmentLines || len(line) > maxLine {
			return f, Malformed("The fragment is too long; at most %d lines are accepted.", maxFragmentLines)
		}
		kind, value, ok := strings.Cut(line, "=")
		if !ok || kind != "a" && kind != "m" || value == "" {
			return f, Malformed("The fragment has a line that is neither an attribute nor an m-line.")
		}
		if kind == "m" {
			continue
		}
		key, value, _ := strings.Cut(value, ":")
		switch key {
		case "ice-ufrag":
			f.Ufrag = value
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
