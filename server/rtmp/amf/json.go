package amf

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"
)

// JSON returns a value as JSON. Dates are RFC 3339 with milliseconds in UTC,
// byte arrays base64, numbers that JSON does not know null. Of keys that come
// twice the last one rules. It returns ErrTooLarge for what gets too long or,
// because it contains itself, too deep.
func JSON(v any) ([]byte, error) {
	w := &writer{}
	if err := w.value(v, 0); err != nil {
		return nil, err
	}
	return w.b, nil
}

// maxWork bounds the values and names that are gone through: references make
// many of few bytes, and names that come twice leave nothing in the JSON.
const maxWork = 4 * MaxValues

type writer struct {
	b    []byte
	work int
}

func (w *writer) value(v any, depth int) error {
	if o, ok := v.(*Object); ok {
		w.work += len(o.Pairs)
	}
	if w.work++; depth > MaxDepth || len(w.b) > MaxJSON || w.work > maxWork {
		return fmt.Errorf("%w: as JSON", ErrTooLarge)
	}
	switch v := v.(type) {
	case bool:
		w.b = strconv.AppendBool(w.b, v)
	case float64:
		w.number(v)
	case string:
		w.string(v)
	case []byte:
		w.b = append(w.b, '"')
		w.b = base64.StdEncoding.AppendEncode(w.b, v)
		w.b = append(w.b, '"')
	case time.Time:
		w.string(v.Format("2006-01-02T15:04:05.000Z07:00"))
	case *Object:
		return w.object(v, depth)
	case *Array:
		return w.array(v, depth)
	default:
		w.b = append(w.b, "null"...)
	}
	return nil
}

func (w *writer) number(v float64) {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		w.b = append(w.b, "null"...)
	case v == math.Trunc(v) && math.Abs(v) < 1<<53:
		w.b = strconv.AppendInt(w.b, int64(v), 10)
	default:
		w.b = strconv.AppendFloat(w.b, v, 'g', -1, 64)
	}
}

func (w *writer) string(s string) {
	b, _ := json.Marshal(s) // a string cannot fail
	w.b = append(w.b, b...)
}

func (w *writer) object(o *Object, depth int) error {
	last := make(map[string]int, len(o.Pairs))
	for i, p := range o.Pairs {
		last[p.Key] = i
	}
	w.b = append(w.b, '{')
	first := true
	for i, p := range o.Pairs {
		if last[p.Key] != i {
			continue
		}
		if !first {
			w.b = append(w.b, ',')
		}
		first = false
		w.string(p.Key)
		w.b = append(w.b, ':')
		if err := w.value(p.Value, depth+1); err != nil {
			return err
		}
	}
	w.b = append(w.b, '}')
	return nil
}

func (w *writer) array(a *Array, depth int) error {
	w.b = append(w.b, '[')
	for i, v := range a.Items {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		if err := w.value(v, depth+1); err != nil {
			return err
		}
	}
	w.b = append(w.b, ']')
	return nil
}
