//go:build linux

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

var errSetting = errors.New("no such setting")

// parse applies words such as "loss=5 down.rate=1e6" to the settings of both
// directions, or of the one that a word names before its dot. Loss is in
// percent, rate in bit/s, queue in bytes; delay and jitter have units.
func parse(line string, up, down settings) (newUp, newDown settings, err error) {
	for _, word := range strings.Fields(line) {
		name, value, _ := strings.Cut(word, "=")
		side, rest, one := strings.Cut(name, ".")
		if !one {
			side, rest = "", name
		}
		switch side {
		case "":
			err = errors.Join(set(&up, rest, value), set(&down, rest, value))
		case "up":
			err = set(&up, rest, value)
		case "down":
			err = set(&down, rest, value)
		default:
			err = errSetting
		}
		if err != nil {
			return up, down, fmt.Errorf("%q: %w", word, err)
		}
	}
	return up, down, nil
}

// set changes one of the settings.
func set(s *settings, name, value string) error {
	var err error
	switch name {
	case "loss":
		err = number(&s.loss, value)
		s.loss /= 100
	case "burst":
		err = number(&s.burst, value)
	case "rate":
		err = number(&s.rate, value)
	case "queue":
		s.queue, err = strconv.Atoi(value)
	case "delay":
		s.delay, err = time.ParseDuration(value)
	case "jitter":
		s.jitter, err = time.ParseDuration(value)
	default:
		return errSetting
	}
	return err
}

func number(to *float64, value string) (err error) {
	*to, err = strconv.ParseFloat(value, 64)
	return err
}

// obey applies every line of commands and answers it with the counts of both
// directions. It returns when commands end.
func obey(commands io.Reader, answers io.Writer, up, down *pipe) error {
	lines := bufio.NewScanner(commands)
	for lines.Scan() {
		newUp, newDown, err := parse(lines.Text(), up.settings(), down.settings())
		if err != nil {
			fmt.Fprintf(answers, "{\"error\": %q}\n", err)
			continue
		}
		up.change(newUp)
		down.change(newDown)
		fmt.Fprintf(answers, "{\"up\": %s, \"down\": %s}\n", up.report(), down.report())
	}
	return lines.Err()
}

// String writes the counts as JSON.
func (c counts) String() string {
	return fmt.Sprintf(`{"passed": %d, "lost": %d, "overrun": %d, "deepest": %d}`, c.passed, c.lost, c.overrun, c.deepest)
}
