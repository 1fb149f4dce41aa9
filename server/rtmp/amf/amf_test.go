package amf

import (
	"encoding/hex"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// bytesOf reads hex with spaces; what stands in quotes is text.
func bytesOf(t *testing.T, s string) []byte {
	t.Helper()
	var b []byte
	for i, part := range strings.Split(s, "'") {
		if i%2 == 1 {
			b = append(b, part...)
			continue
		}
		h, err := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
		require.NoError(t, err)
		b = append(b, h...)
	}
	return b
}

// one reads a message of one value and returns it as JSON.
func one(t *testing.T, b []byte) string {
	t.Helper()
	values, err := Read(b)
	require.NoError(t, err)
	require.Len(t, values, 1)
	j, err := JSON(values[0])
	require.NoError(t, err)
	require.True(t, json.Valid(j), string(j))
	return string(j)
}

func TestAMF0(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, out string }{
		"number":       {"00 3ff8000000000000", "1.5"},
		"whole number": {"00 4094000000000000", "1280"},
		"NaN":          {"00 7ff8000000000000", "null"},
		"boolean":      {"01 01", "true"},
		"string":       {"02 0003 'a\"b'", `"a\"b"`},
		"bad UTF-8":    {"02 0002 'a' ff", "\"a\uFFFD\""},
		"object":       {"03 0001 'a' 05 0001 'b' 06 0000 09", `{"a":null,"b":null}`},
		"empty key":    {"03 0000 0100 0000 09", `{"":false}`},
		"key twice":    {"03 0001 'a' 0100 0001 'a' 0101 0000 09", `{"a":true}`},
		"ECMA array":   {"08 00000009 0001 'a' 0101 0000 09", `{"a":true}`},
		"strict array": {"0a 00000002 0100 0101", "[false,true]"},
		"long string":  {"0c 00000002 'ab'", `"ab"`},
		"unsupported":  {"0d", "null"},
		"XML":          {"0f 00000004 '<a/>'", `"\u003ca/\u003e"`},
		"typed object": {"10 0001 'C' 0001 'a' 0101 0000 09", `{"a":true}`},
		"reference":    {"0a 00000002 03 0000 09 07 0001", "[{},{}]"},
	} {
		require.Equal(t, c.out, one(t, bytesOf(t, c.in)), name)
	}
	at := time.Date(2024, 2, 29, 12, 30, 15, 250e6, time.UTC)
	b := append([]byte{0x0b}, Write(nil, float64(at.UnixMilli()))[1:]...)
	require.Equal(t, `"2024-02-29T12:30:15.250Z"`, one(t, append(b, 0, 0)))
}

func TestAMF3(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ in, out string }{
		"undefined":        {"00", "null"},
		"null":             {"01", "null"},
		"false":            {"02", "false"},
		"true":             {"03", "true"},
		"integer":          {"04 8148", "200"},
		"integer below 0":  {"04 ffffffff", "-1"},
		"largest integer":  {"04 bfffffff", "268435455"},
		"double":           {"05 3ff8000000000000", "1.5"},
		"string":           {"06 07 'abc'", `"abc"`},
		"XML document":     {"07 03 'x'", `"x"`},
		"XML":              {"0b 03 'x'", `"x"`},
		"date":             {"08 01 0000000000000000", `"1970-01-01T00:00:00.000Z"`},
		"date of no year":  {"08 01 7ff0000000000000", "null"},
		"dense array":      {"09 05 01 02 03", "[false,true]"},
		"mixed array":      {"09 03 03 'k' 03 01 02", `{"k":true,"0":false}`},
		"dynamic object":   {"0a 0b 01 03 'a' 04 01 03 'b' 06 00 01", `{"a":1,"b":"a"}`},
		"sealed object":    {"0a 23 03 'C' 03 'x' 03 'y' 04 01 04 02", `{"x":1,"y":2}`},
		"traits twice":     {"09 05 01 0a 13 01 03 'x' 04 01 0a 01 04 02", `[{"x":1},{"x":2}]`},
		"object twice":     {"09 05 01 0a 0b 01 03 'a' 03 01 0a 02", `[{"a":true},{"a":true}]`},
		"byte array":       {"0c 07 010203", `"AQID"`},
		"Vector of int":    {"0d 05 00 ffffffff 00000002", "[-1,2]"},
		"Vector of uint":   {"0e 05 01 ffffffff 00000002", "[4294967295,2]"},
		"Vector of double": {"0f 05 00 3ff8000000000000 7ff8000000000000", "[1.5,null]"},
		"Vector of object": {"10 05 00 03 'C' 0a 0b 01 03 'a' 03 01 01", `[{"a":true},null]`},
		"Vector twice":     {"09 05 01 0d 03 00 00000007 0d 02", "[[7],[7]]"},
		"Dictionary":       {"11 09 00 06 03 'k' 03 04 05 02 03 01 0a 0b 01 01 04 01", `{"k":true,"5":false,"true":null,"object":1}`},
		"ArrayCollection":  {"0a 07 43 'flex.messaging.io.ArrayCollection' 09 03 01 03", "[true]"},
	} {
		require.Equal(t, c.out, one(t, append([]byte{0x11}, bytesOf(t, c.in)...)), name)
	}
}

func TestAMF3Message(t *testing.T) {
	t.Parallel()
	for _, b := range [][]byte{bytesOf(t, "00 02 0001 'n' 11 0d 03 00 00000007"), bytesOf(t, "02 0001 'n' 11 0d 03 00 00000007")} {
		values, err := Read3(b)
		require.NoError(t, err)
		require.Len(t, values, 2)
		require.Equal(t, "n", values[0])
		require.Equal(t, []any{7.0}, values[1].(*Array).Items)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	nested := func(open string, n int) []byte { return bytesOf(t, strings.Repeat(open, n)) }
	for name, c := range map[string]struct {
		in  []byte
		err error
	}{
		"cut short":               {bytesOf(t, "00 3ff8"), ErrMalformed},
		"cut in a key":            {bytesOf(t, "03 0005 'a'"), ErrMalformed},
		"no end":                  {bytesOf(t, "03 0001 'a' 05"), ErrMalformed},
		"unknown marker":          {bytesOf(t, "0e"), ErrMalformed},
		"movie clip":              {bytesOf(t, "04"), ErrMalformed},
		"reference to nothing":    {bytesOf(t, "07 0000"), ErrMalformed},
		"array of 4 billion":      {bytesOf(t, "0a ffffffff"), ErrMalformed},
		"string of 4 GB":          {bytesOf(t, "0c ffffffff 'a'"), ErrMalformed},
		"deep objects":            {nested("03 0001 'a'", 2000), ErrTooLarge},
		"deep arrays":             {nested("0a 00000001", 2000), ErrTooLarge},
		"deep AMF3 arrays":        {append([]byte{0x11}, nested("09 03 01", 2000)...), ErrTooLarge},
		"many values":             {bytesOf(t, strings.Repeat("05", MaxValues+1)), ErrTooLarge},
		"too long":                {make([]byte, MaxSize+1), ErrTooLarge},
		"Vector bomb":             {bytesOf(t, "11 0f ffffffff 00"), ErrTooLarge},
		"Vector of too much":      {bytesOf(t, "11 0d 820100 00"), ErrMalformed},
		"trait bomb":              {bytesOf(t, "11 0a ffffffff 01"), ErrMalformed},
		"class that codes itself": {bytesOf(t, "11 0a 07 03 'C' 00"), ErrMalformed},
		"unknown AMF3 marker":     {bytesOf(t, "11 12 01"), ErrMalformed},
	} {
		_, err := Read(c.in)
		require.ErrorIs(t, err, c.err, name)
	}
}

// References make large things of small messages, or endless ones.
func TestReferenceBombs(t *testing.T) {
	t.Parallel()
	self, err := Read(bytesOf(t, "11 09 03 01 09 00"))
	require.NoError(t, err)
	_, err = JSON(self[0])
	require.ErrorIs(t, err, ErrTooLarge)

	// Each array holds the one before ten times: 10^9 values.
	bomb := "11 09 15 01"
	for range 8 {
		bomb += "09 15 01"
	}
	bomb += strings.Repeat("03", 10)
	for i := 8; i > 0; i-- {
		bomb += strings.Repeat("09"+hex.EncodeToString([]byte{byte(i * 2)}), 9)
	}
	values, err := Read(bytesOf(t, bomb))
	require.NoError(t, err)
	_, err = JSON(values[0])
	require.ErrorIs(t, err, ErrTooLarge)
}

// An object whose names are all alike leaves nothing in the JSON, however often
// it is referred to.
func TestWorkBomb(t *testing.T) {
	t.Parallel()
	o, list := &Object{}, &Array{}
	for range 5000 {
		o.Pairs = append(o.Pairs, Pair{"", nil})
	}
	for range 5000 {
		list.Items = append(list.Items, o)
	}
	_, err := JSON(list)
	require.ErrorIs(t, err, ErrTooLarge)
	_, err = JSON(&Array{Items: list.Items[:2]})
	require.NoError(t, err)
}

func TestWrite(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", math.MaxUint16+1)
	in := []any{
		1.5, true, false, nil, "text", &Object{Pairs: []Pair{{"a", 1.0}, {"b", &Array{Items: []any{"c", nil}}}}},
	}
	out, err := Read(Write(nil, in...))
	require.NoError(t, err)
	require.Equal(t, in, out)
	require.Equal(t, byte(longString0), Write(nil, long)[0])
	require.Equal(t, []byte{null0}, Write(nil, struct{}{}))
	require.Equal(t, Write(nil, 7.0), Write(nil, 7))
	o := in[5].(*Object)
	require.Equal(t, 1.0, o.Get("a"))
	require.Nil(t, (*Object)(nil).Get("a"))
	require.Empty(t, o.String("a"))
}

func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"02 000a 'onMetaData' 08 00000001 0005 'width' 00 4094000000000000 0000 09",
		"11 09 05 01 0a 13 01 03 'x' 04 01 0a 01 04 02",
		"11 09 03 01 09 00",
		"11 11 09 00 06 03 'k' 03 04 05 02 03 01 0a 0b 01 01 04 01",
		"11 10 05 00 03 'C' 0a 0b 01 03 'a' 03 01 01",
		"0a 00000002 03 0000 09 07 0001",
	} {
		var b []byte
		for i, part := range strings.Split(s, "'") {
			if i%2 == 1 {
				b = append(b, part...)
				continue
			}
			h, _ := hex.DecodeString(strings.ReplaceAll(part, " ", ""))
			b = append(b, h...)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := Read(b)
		if err != nil {
			return
		}
		for _, v := range values {
			j, err := JSON(v)
			if err != nil {
				continue
			}
			if !json.Valid(j) || len(j) > 8*MaxSize+MaxJSON {
				t.Fatalf("%d bytes of bad JSON", len(j))
			}
		}
		_, _ = Read3(b)
	})
}
