package amf

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
)

// Markers of AMF3, section 3 of its specification.
const (
	undefined3    = 0x00
	null3         = 0x01
	false3        = 0x02
	true3         = 0x03
	integer3      = 0x04
	double3       = 0x05
	string3       = 0x06
	xmlDoc3       = 0x07
	date3         = 0x08
	array3        = 0x09
	object3       = 0x0a
	xml3          = 0x0b
	byteArray3    = 0x0c
	vectorInt3    = 0x0d
	vectorUint3   = 0x0e
	vectorDouble3 = 0x0f
	vectorObject3 = 0x10
	dictionary3   = 0x11
)

func (r *reader) value3(depth int) (any, error) {
	if err := r.count(depth); err != nil {
		return nil, err
	}
	marker, err := r.take(1)
	if err != nil {
		return nil, err
	}
	switch marker[0] {
	case undefined3, null3:
		return nil, nil
	case false3:
		return false, nil
	case true3:
		return true, nil
	case integer3:
		n, err := r.u29()
		return float64(int32(n<<3) >> 3), err // 29 bits with a sign
	case double3:
		return r.number()
	case string3:
		return r.string3()
	}
	return r.complex3(marker[0], depth)
}

// complex3 reads a value of the kinds that are put into the table of objects.
func (r *reader) complex3(marker byte, depth int) (any, error) {
	head, err := r.u29()
	if err != nil {
		return nil, err
	}
	if head&1 == 0 {
		if i := int(head >> 1); i < len(r.three.objects) {
			return r.three.objects[i], nil
		}
		return nil, fmt.Errorf("%w: reference to nothing", ErrMalformed)
	}
	n := int(head >> 1)
	switch marker {
	case xmlDoc3, xml3:
		b, err := r.take(n)
		return r.keep(text(b)), err
	case byteArray3:
		b, err := r.take(n)
		return r.keep(append([]byte{}, b...)), err
	case date3:
		b, err := r.take(8)
		if err != nil {
			return nil, err
		}
		return r.keep(date(math.Float64frombits(binary.BigEndian.Uint64(b)))), nil
	case array3:
		return r.array3(n, depth)
	case object3:
		return r.object3(head, depth)
	case vectorInt3, vectorUint3, vectorDouble3:
		return r.vector3(marker, n)
	case vectorObject3:
		return r.vectorObject3(n, depth)
	case dictionary3:
		return r.dictionary3(n, depth)
	}
	return nil, fmt.Errorf("%w: AMF3 marker %#02x", ErrMalformed, marker)
}

// keep puts a value into the table of objects.
func (r *reader) keep(v any) any {
	r.three.objects = append(r.three.objects, v)
	return v
}

// u29 reads a number of one to four bytes.
func (r *reader) u29() (uint32, error) {
	n := uint32(0)
	for i := range 4 {
		b, err := r.take(1)
		if err != nil {
			return 0, err
		}
		if i == 3 {
			return n<<8 | uint32(b[0]), nil
		}
		n = n<<7 | uint32(b[0]&0x7f)
		if b[0] < 0x80 {
			break
		}
	}
	return n, nil
}

func (r *reader) string3() (string, error) {
	head, err := r.u29()
	if err != nil {
		return "", err
	}
	if head&1 == 0 {
		if i := int(head >> 1); i < len(r.three.strings) {
			return r.three.strings[i], nil
		}
		return "", fmt.Errorf("%w: reference to no string", ErrMalformed)
	}
	b, err := r.take(int(head >> 1))
	if err != nil || len(b) == 0 {
		return "", err
	}
	s := text(b)
	r.three.strings = append(r.three.strings, s)
	return s, nil
}

// array3 reads an array: named values, then n without a name. One that has
// named values becomes an object.
func (r *reader) array3(n, depth int) (any, error) {
	at := len(r.three.objects)
	list := &Array{}
	r.keep(list)
	named := &Object{}
	if err := r.pairs3(named, depth); err != nil {
		return nil, err
	}
	var into any = list
	if len(named.Pairs) > 0 {
		into = named
		r.three.objects[at] = named
	}
	for i := range n {
		v, err := r.value3(depth + 1)
		if err != nil {
			return nil, err
		}
		if into == any(named) {
			named.Pairs = append(named.Pairs, Pair{strconv.Itoa(i), v})
		} else {
			list.Items = append(list.Items, v)
		}
	}
	return into, nil
}

// pairs3 reads named values until an empty name.
func (r *reader) pairs3(o *Object, depth int) error {
	for {
		key, err := r.string3()
		if err != nil || key == "" {
			return err
		}
		v, err := r.value3(depth + 1)
		if err != nil {
			return err
		}
		o.Pairs = append(o.Pairs, Pair{key, v})
	}
}

func (r *reader) object3(head uint32, depth int) (any, error) {
	t, err := r.trait(head)
	if err != nil {
		return nil, err
	}
	o := &Object{}
	at := len(r.three.objects)
	r.keep(o)
	if t.external {
		return r.external3(t, at, depth)
	}
	for _, name := range t.names {
		v, err := r.value3(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Pairs = append(o.Pairs, Pair{name, v})
	}
	if t.dynamic {
		err = r.pairs3(o, depth)
	}
	return o, err
}

// trait reads what an object's values are called, section 3.12.
func (r *reader) trait(head uint32) (*trait, error) {
	if head&2 == 0 {
		if i := int(head >> 2); i < len(r.three.traits) {
			return r.three.traits[i], nil
		}
		return nil, fmt.Errorf("%w: reference to no traits", ErrMalformed)
	}
	t := &trait{external: head&4 != 0, dynamic: head&8 != 0}
	var err error
	if t.class, err = r.string3(); err != nil {
		return nil, err
	}
	if !t.external {
		for range head >> 4 {
			if err := r.count(0); err != nil {
				return nil, err
			}
			name, err := r.string3()
			if err != nil {
				return nil, err
			}
			t.names = append(t.names, name)
		}
	}
	r.three.traits = append(r.three.traits, t)
	return t, nil
}

// external3 reads an object whose class codes itself. Two classes are common
// and are each a wrapping of one value; of any other the length is unknown.
func (r *reader) external3(t *trait, at, depth int) (any, error) {
	switch t.class {
	case "flex.messaging.io.ArrayCollection", "flex.messaging.io.ObjectProxy":
		v, err := r.value3(depth + 1)
		if err == nil {
			r.three.objects[at] = v
		}
		return v, err
	}
	return nil, fmt.Errorf("%w: an object of class %.64q codes itself", ErrMalformed, t.class)
}

// vector3 reads a Vector of numbers, section 3.15.
func (r *reader) vector3(marker byte, n int) (any, error) {
	size := 4
	if marker == vectorDouble3 {
		size = 8
	}
	if n > MaxSize/size {
		return nil, fmt.Errorf("%w: a Vector of %d", ErrTooLarge, n)
	}
	b, err := r.take(1 + n*size) // the first says whether its length is fixed
	if err != nil {
		return nil, err
	}
	r.values += n
	if err := r.count(0); err != nil {
		return nil, err
	}
	a := &Array{Items: make([]any, n)}
	for i := range a.Items {
		a.Items[i] = vectorItem(marker, b[1+i*size:])
	}
	return r.keep(a), nil
}

func vectorItem(marker byte, b []byte) float64 {
	switch marker {
	case vectorInt3:
		return float64(int32(binary.BigEndian.Uint32(b)))
	case vectorUint3:
		return float64(binary.BigEndian.Uint32(b))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b))
}

func (r *reader) vectorObject3(n, depth int) (any, error) {
	a := &Array{}
	r.keep(a)
	if _, err := r.take(1); err != nil {
		return nil, err
	}
	if _, err := r.string3(); err != nil { // the class of its items
		return nil, err
	}
	for range n {
		v, err := r.value3(depth + 1)
		if err != nil {
			return nil, err
		}
		a.Items = append(a.Items, v)
	}
	return a, nil
}

// dictionary3 reads a Dictionary, whose keys may be of any kind. A plain value
// is named by its JSON; what holds other values has no name.
func (r *reader) dictionary3(n, depth int) (any, error) {
	o := &Object{}
	r.keep(o)
	if _, err := r.take(1); err != nil { // whether its keys are weak
		return nil, err
	}
	for range n {
		k, err := r.value3(depth + 1)
		if err != nil {
			return nil, err
		}
		v, err := r.value3(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Pairs = append(o.Pairs, Pair{keyOf(k), v})
	}
	return o, nil
}

func keyOf(k any) string {
	switch k := k.(type) {
	case string:
		return k
	case bool, float64, nil:
		b, _ := JSON(k)
		return string(b)
	}
	return "object"
}
