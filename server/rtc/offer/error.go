package offer

import "fmt"

// Error says what is wrong with an SDP or another message of a client, in
// words for whoever wrote that client.
type Error struct {
	Unusable bool // well formed, but not what this server can do
	Text     string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// Malformed returns an *Error for what does not follow its own rules.
func Malformed(format string, a ...any) error {
	return &Error{Text: fmt.Sprintf(format, a...)}
}

// Unusable returns an *Error for what is well formed and cannot be done here.
func Unusable(format string, a ...any) error {
	return &Error{Unusable: true, Text: fmt.Sprintf(format, a...)}
}
