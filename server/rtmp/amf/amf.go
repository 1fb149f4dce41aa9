// Package amf reads and writes the Action Message Format, in which RTMP's
// commands and data messages are coded: AMF0 and AMF3 are read, AMF0 is
// written, and what was read becomes JSON. Size, depth and number of values
// are bounded. It knows no message and no connection.
//
// Values are Go's nil (null, undefined, unsupported), bool, float64 (all
// numbers), string, []byte, time.Time (dates), *Object and *Array.
package amf

import (
	"errors"
	"fmt"
)

// Limits of what is read: far above what any encoder says, far below what
// hurts.
const (
	MaxDepth  = 16       // of objects within objects
	MaxSize   = 64 << 10 // bytes of a message
	MaxValues = 16 << 10 // of one message, all of them counted
	MaxJSON   = 64 << 10 // bytes that a message may become
)

// Errors of bad input; test with errors.Is.
var (
	ErrMalformed = errors.New("malformed AMF")
	ErrTooLarge  = errors.New("AMF message beyond the limits")
)

// Pair is one entry of an Object.
type Pair struct {
	Key   string
	Value any
}

// Object is a set of named values in the order in which they came: an AMF
// object, typed object, associative array or dictionary.
type Object struct {
	Pairs []Pair
	Mixed bool // to be written as an associative array, which some players want of metadata
}

// Array is a list of values: a strict array, a dense array or a Vector.
type Array struct {
	Items []any
}

// Get returns the value of a key, nil when there is none.
func (o *Object) Get(key string) any {
	if o == nil {
		return nil
	}
	for _, p := range o.Pairs {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// String returns the value of a key if it is a string, else "".
func (o *Object) String(key string) string {
	s, _ := o.Get(key).(string)
	return s
}

// Read reads all values of an AMF0 message. What follows the marker of AMF3 is
// read as such.
func Read(b []byte) ([]any, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, len(b))
	}
	r := &reader{b: b}
	var values []any
	for len(r.b) > 0 {
		v, err := r.value0(0)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// Read3 reads the body of an AMF3 data or command message (RTMP types 15 and
// 17): AMF0 values after a format byte, which some senders leave out.
func Read3(b []byte) ([]any, error) {
	if len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	return Read(b)
}

// reader holds what is left of a message, and the tables its references point
// into.
type reader struct {
	b       []byte
	values  int
	objects []any // of AMF0
	three   *tables
}

// tables of one AMF3 value, section 2.2 of the AMF3 specification.
type tables struct {
	strings []string
	objects []any
	traits  []*trait
}

// trait says what the values of an AMF3 object are called.
type trait struct {
	class    string
	names    []string
	dynamic  bool
	external bool
}

// count counts a value against the limit.
func (r *reader) count(depth int) error {
	r.values++
	if r.values > MaxValues {
		return fmt.Errorf("%w: more than %d values", ErrTooLarge, MaxValues)
	}
	if depth > MaxDepth {
		return fmt.Errorf("%w: deeper than %d", ErrTooLarge, MaxDepth)
	}
	return nil
}

// take returns the next n bytes.
func (r *reader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.b) {
		return nil, fmt.Errorf("%w: cut short", ErrMalformed)
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b, nil
}
