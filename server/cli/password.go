package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxPasswordLine bounds what is read for one password, in bytes.
const maxPasswordLine = 4 << 10

var errMismatch = errors.New("the two passwords differ; nothing was changed")

// readPassword asks twice on a terminal, without showing what is typed, and
// otherwise reads one line. There is no flag for it: everybody on the machine
// can read a command line.
func readPassword(env Env) (string, error) {
	lines := bufio.NewReader(io.LimitReader(env.In, maxPasswordLine))
	restore, ok := hideTyping(env.In)
	if !ok {
		return readLine(lines)
	}
	defer restore()
	first, err := ask(env, lines, "Password: ")
	if err != nil {
		return "", err
	}
	second, err := ask(env, lines, "Again: ")
	if err != nil {
		return "", err
	}
	if first != second {
		return "", errMismatch
	}
	return first, nil
}

func ask(env Env, lines *bufio.Reader, prompt string) (string, error) {
	fmt.Fprint(env.Err, prompt)
	line, err := readLine(lines)
	fmt.Fprintln(env.Err)
	return line, err
}

func readLine(lines *bufio.Reader) (string, error) {
	line, err := lines.ReadString('\n')
	if err != nil && (!errors.Is(err, io.EOF) || line == "") {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}
