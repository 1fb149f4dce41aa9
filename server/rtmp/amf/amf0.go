package amf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// Markers of AMF0, section 2.1 of its specification.
const (
	number0      = 0x00
	boolean0     = 0x01
	string0      = 0x02
	object0      = 0x03
	null0        = 0x05
	undefined0   = 0x06
	reference0   = 0x07
	ecmaArray0   = 0x08
	objectEnd0   = 0x09
	strictArray0 = 0x0a
	date0        = 0x0b
	longString0  = 0x0c
	unsupported0 = 0x0d
	xml0         = 0x0f
	typedObject0 = 0x10
	amf3         = 0x11
)

func (r *reader) value0(depth int) (any, error) {
	if err := r.count(depth); err != nil {
		return nil, err
	}
	marker, err := r.take(1)
	if err != nil {
		return nil, err
	}
	switch marker[0] {
	case number0:
		return r.number()
	case boolean0:
		b, err := r.take(1)
		return err == nil && b[0] != 0, err
	case string0:
		return r.string0()
	case longString0, xml0:
		return r.longString0()
	case null0, undefined0, unsupported0:
		return nil, nil
	case date0:
		return r.date0()
	case amf3:
		r.three = &tables{}
		return r.value3(depth)
	}
	return r.complex0(marker[0], depth)
}

// complex0 reads what holds other values, or refers to one that does.
func (r *reader) complex0(marker byte, depth int) (any, error) {
	switch marker {
	case typedObject0:
		if _, err := r.string0(); err != nil { // the name of its class
			return nil, err
		}
		return r.object0(depth)
	case ecmaArray0:
		if _, err := r.take(4); err != nil { // a count that nobody keeps to
			return nil, err
		}
		return r.object0(depth)
	case object0:
		return r.object0(depth)
	case strictArray0:
		return r.strictArray0(depth)
	case reference0:
		b, err := r.take(2)
		if err != nil {
			return nil, err
		}
		if i := int(binary.BigEndian.Uint16(b)); i < len(r.objects) {
			return r.objects[i], nil
		}
		return nil, fmt.Errorf("%w: reference to nothing", ErrMalformed)
	}
	return nil, fmt.Errorf("%w: marker %#02x", ErrMalformed, marker)
}

func (r *reader) number() (any, error) {
	b, err := r.take(8)
	if err != nil {
		return nil, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (r *reader) string0() (string, error) {
	b, err := r.take(2)
	if err != nil {
		return "", err
	}
	b, err = r.take(int(binary.BigEndian.Uint16(b)))
	return text(b), err
}

func (r *reader) longString0() (any, error) {
	b, err := r.take(4)
	if err != nil {
		return nil, err
	}
	b, err = r.take(int(min(binary.BigEndian.Uint32(b), MaxSize+1)))
	return text(b), err
}

// text makes valid UTF-8 of what a peer calls a string.
func text(b []byte) string { return strings.ToValidUTF8(string(b), "\uFFFD") }

func (r *reader) date0() (any, error) {
	b, err := r.take(10) // milliseconds, and a time zone that is not used
	if err != nil {
		return nil, err
	}
	return date(math.Float64frombits(binary.BigEndian.Uint64(b))), nil
}

// date returns a moment, or nil when its year has not four digits.
func date(ms float64) any {
	const first, last = -62_135_596_800_000, 253_402_300_799_000
	if !(ms >= first && ms <= last) {
		return nil
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// object0 reads pairs until the mark of their end.
func (r *reader) object0(depth int) (any, error) {
	o := &Object{}
	r.objects = append(r.objects, o)
	for {
		key, err := r.string0()
		if err != nil {
			return nil, err
		}
		if len(r.b) > 0 && r.b[0] == objectEnd0 && key == "" {
			r.b = r.b[1:]
			return o, nil
		}
		v, err := r.value0(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Pairs = append(o.Pairs, Pair{key, v})
	}
}

func (r *reader) strictArray0(depth int) (any, error) {
	b, err := r.take(4)
	if err != nil {
		return nil, err
	}
	a := &Array{}
	r.objects = append(r.objects, a)
	for range binary.BigEndian.Uint32(b) {
		v, err := r.value0(depth + 1)
		if err != nil {
			return nil, err
		}
		a.Items = append(a.Items, v)
	}
	return a, nil
}

// Write appends values to b in AMF0. Integers become numbers; a value of a
// type that is not one of this package's is written as null.
func Write(b []byte, values ...any) []byte {
	for _, v := range values {
		b = write(b, v)
	}
	return b
}

func write(b []byte, v any) []byte {
	switch v := v.(type) {
	case bool:
		if v {
			return append(b, boolean0, 1)
		}
		return append(b, boolean0, 0)
	case int:
		return write(b, float64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(b, number0), math.Float64bits(v))
	case string:
		if len(v) > math.MaxUint16 {
			b = binary.BigEndian.AppendUint32(append(b, longString0), uint32(len(v)))
			return append(b, v...)
		}
		return writeKey(append(b, string0), v)
	case *Object:
		if b = append(b, object0); v.Mixed {
			b = append(b[:len(b)-1], ecmaArray0)
			b = binary.BigEndian.AppendUint32(b, uint32(len(v.Pairs)))
		}
		for _, p := range v.Pairs {
			b = write(writeKey(b, p.Key), p.Value)
		}
		return append(b, 0, 0, objectEnd0)
	case *Array:
		b = binary.BigEndian.AppendUint32(append(b, strictArray0), uint32(len(v.Items)))
		return Write(b, v.Items...)
	}
	return append(b, null0)
}

func writeKey(b []byte, s string) []byte {
	s = s[:min(len(s), math.MaxUint16)]
	return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...)
}
