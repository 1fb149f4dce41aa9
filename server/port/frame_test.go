package port

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
)

func TestFrames(t *testing.T) {
	t.Parallel()
	long := bytes.Repeat([]byte("x"), maxDatagram)
	want := [][]byte{[]byte("a"), long, []byte("bc"), long}
	var stream []byte
	for _, d := range want {
		stream = appendFrame(stream, d)
		stream = appendFrame(stream, nil) // left out
	}
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "byte by byte": iotest.OneByteReader(bytes.NewReader(stream)),
	} {
		f := newFrameReader(r)
		for _, d := range want {
			got, err := f.next()
			require.NoError(t, err, name)
			require.True(t, bytes.Equal(d, got), name)
		}
		_, err := f.next()
		require.ErrorIs(t, err, io.EOF)
	}
	_, err := newFrameReader(bytes.NewReader(stream[:2])).next()
	require.ErrorIs(t, err, io.EOF)
	_, err = newFrameReader(bytes.NewReader(append([]byte{0x08, 0x01}, make([]byte, 5000)...))).next()
	require.ErrorIs(t, err, errFrame, "2049 bytes")
}

// Whatever comes, no datagram is empty or too long, and each is exactly what
// lies between the lengths.
func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 1, 'a', 0, 0, 0, 2, 'b', 'c'}, uint8(0))
	f.Add([]byte{0xff, 0xff, 1}, uint8(1))
	f.Add([]byte{0, 5, 1}, uint8(2))
	f.Fuzz(func(t *testing.T, b []byte, how uint8) {
		var r io.Reader = bytes.NewReader(b)
		switch how % 3 {
		case 1:
			r = iotest.OneByteReader(r)
		case 2:
			r = iotest.HalfReader(r)
		}
		frames := newFrameReader(r)
		rest := b
		for {
			d, err := frames.next()
			for len(rest) >= 2 && rest[0] == 0 && rest[1] == 0 {
				rest = rest[2:]
			}
			if err != nil {
				if errors.Is(err, errFrame) && int(rest[0])<<8+int(rest[1]) <= maxDatagram {
					t.Fatal("refused a good frame")
				}
				return
			}
			if len(d) == 0 || len(d) > maxDatagram || !bytes.Equal(appendFrame(nil, d), rest[:2+len(d)]) {
				t.Fatalf("%q out of %q", d, rest)
			}
			rest = rest[2+len(d):]
		}
	})
}
