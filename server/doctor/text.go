package doctor

import (
	"fmt"
	"strings"
	"unicode"
)

// maxText bounds what is told of one thing, in characters.
const maxText = 400

// printable makes text that holds a stranger's words fit for a terminal, which
// would do what is written in control characters, and on one line.
func printable(s string) string {
	if all := []rune(s); len(all) > maxText {
		s = string(all[:maxText]) + "…"
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// Line says a result in one line, for a person.
func (r Result) Line() string {
	took := ""
	if r.State == OK && r.Millis > 0 {
		took = fmt.Sprintf("%.0f ms", max(1, r.Millis))
	}
	var said []string
	for _, part := range []string{r.Text, r.Why, r.Ask} {
		if part != "" {
			said = append(said, part)
		}
	}
	rest := r.Target
	if r.Why == "" && r.Ask == "" && r.Text != "" {
		rest += " " + r.Text
	} else if len(said) > 0 {
		rest = strings.TrimPrefix(rest+": ", ": ") + r.explained()
	}
	return strings.TrimRight(fmt.Sprintf("%-10s %-8s %8s  %s", r.Way, r.State, took, strings.TrimSpace(rest)), " ")
}

// explained joins what happened, why, and what to do.
func (r Result) explained() string {
	text := r.Text
	if r.Why != "" {
		text += ", probably because " + r.Why
	}
	if r.Ask != "" {
		text += "; " + r.Ask
	}
	return text
}

// Verdict says in a few sentences what all results mean together.
func (r *Report) Verdict() string {
	return strings.TrimSpace(r.sum() + " " + r.Hint)
}

func (r *Report) sum() string {
	switch {
	case !r.Media:
		return "Nothing gets through that carries pictures and sound: see the lines above for what is blocked, and whom to ask."
	case r.Best == wayUDP:
		return "Pictures and sound get through, by UDP: the best way."
	case r.Best == wayICETCP:
		return "Pictures and sound get through by TCP. With UDP they would be smoother where packets are lost."
	}
	return "Pictures and sound get through by the relay (" + r.Best + "). With UDP they would be smoother where packets are lost."
}
