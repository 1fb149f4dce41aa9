package chunk

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func noAck(uint32) error { return nil }

func readAll(b []byte) ([]Message, error) {
	r := NewReader(bytes.NewReader(b), noAck)
	r.AllowMedia()
	var list []Message
	for {
		m, err := r.Read()
		if err != nil {
			return list, err
		}
		list = append(list, m)
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	var wire bytes.Buffer
	w := NewWriter(&wire)
	sent := []Message{
		{Type: CommandAMF0, Body: bytes.Repeat([]byte{1}, 300)},
		{Type: Video, Stream: 1, Time: 5, Body: bytes.Repeat([]byte{2}, 100_000)},
		{Type: Audio, Stream: 1, Time: 0xffffff, Body: bytes.Repeat([]byte{3}, 9000)},
		{Type: Video, Stream: 1, Time: 0xfffffffe, Body: []byte{4}},
		{Type: DataAMF0, Stream: 1, Time: 7, Body: []byte{}},
	}
	require.NoError(t, w.Write(sent[0]))
	require.NoError(t, w.Announce())
	require.NoError(t, w.Write(sent[1:]...))
	got, err := readAll(wire.Bytes())
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, sent, got)
	require.ErrorIs(t, w.Write(Message{Body: make([]byte, 1<<24)}), ErrTooLarge)
}

// header0 is the start of a chunk with a full header on chunk stream 4.
func header0(stamp uint32, length int, kind byte) []byte {
	return []byte{4, byte(stamp >> 16), byte(stamp >> 8), byte(stamp),
		byte(length >> 16), byte(length >> 8), byte(length), kind, 1, 0, 0, 0}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func TestHeaders(t *testing.T) {
	t.Parallel()
	body := []byte{9, 9}
	extended := binary.BigEndian.AppendUint32(nil, 0x1000000)
	for name, c := range map[string]struct {
		wire  []byte
		times []uint32
	}{
		"deltas": {join(header0(10, 2, Audio), body, []byte{0x44, 0, 0, 5, 0, 0, 2, Audio}, body,
			[]byte{0x84, 0, 0, 7}, body, []byte{0xc4}, body), []uint32{10, 15, 22, 29}},
		"like a full header": {join(header0(10, 2, Audio), body, []byte{0xc4}, body), []uint32{10, 20}},
		"two-byte number":    {join([]byte{0, 200}, header0(3, 2, Audio)[1:], body, []byte{0xc0, 200}, body), []uint32{3, 6}},
		"three-byte number":  {join([]byte{1, 1, 2}, header0(3, 2, Audio)[1:], body), []uint32{3}},
		"delta first":        {join([]byte{0x44, 0, 0, 5, 0, 0, 2, Audio}, body), []uint32{5}},
		"given up":           {join(header0(1, 300, Audio), make([]byte, 128), header0(2, 2, Audio), body), []uint32{2}},
		"aborted": {join(header0(1, 300, Audio), make([]byte, 128), []byte{2, 0, 0, 0, 0, 0, 4, Abort, 0, 0, 0, 0, 0, 0, 0, 4},
			header0(2, 2, Audio), body), []uint32{2}},
		"extended": {join(header0(0xffffff, 130, Audio), extended, make([]byte, 128), []byte{0xc4}, extended, body),
			[]uint32{0x1000000}},
		"extended, not repeated": {join(header0(0xffffff, 132, Audio), extended, make([]byte, 128), []byte{0xc4}, body, body),
			[]uint32{0x1000000}},
	} {
		got, err := readAll(c.wire)
		require.ErrorIs(t, err, io.EOF, name)
		var times []uint32
		for _, m := range got {
			times = append(times, m.Time)
		}
		require.Equal(t, c.times, times, name)
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	size := func(n uint32) []byte { return join(header0(0, 4, SetChunkSize), binary.BigEndian.AppendUint32(nil, n)) }
	var many []byte
	for i := range maxStreams + 1 {
		many = append(many, join([]byte{0, byte(i)}, header0(0, 1, Audio)[1:], []byte{0})...)
	}
	for name, c := range map[string]struct {
		wire []byte
		err  error
	}{
		"no header":             {[]byte{0xc4}, ErrMalformed},
		"chunk size 0":          {size(0), ErrMalformed},
		"chunk size 2^31":       {size(1 << 31), ErrMalformed},
		"short control message": {join(header0(0, 2, SetChunkSize), []byte{0, 0}), ErrMalformed},
		"video bomb":            {header0(0, maxVideo+1, Video), ErrTooLarge},
		"audio bomb":            {header0(0, maxAudio+1, Audio), ErrTooLarge},
		"command bomb":          {header0(0, maxCommand+1, CommandAMF0), ErrTooLarge},
		"control bomb":          {header0(0, maxControl+1, UserControl), ErrTooLarge},
		"unknown type":          {header0(0, maxCommand+1, 99), ErrTooLarge},
		"streams":               {many, ErrTooLarge},
		"cut in a header":       {header0(0, 5, Audio)[:6], io.ErrUnexpectedEOF},
		"cut in a body":         {header0(0, 5, Audio), io.ErrUnexpectedEOF},
	} {
		_, err := readAll(c.wire)
		require.ErrorIs(t, err, c.err, name)
	}
}

// A header alone takes no memory, and nobody may send media before he is known.
func TestMemory(t *testing.T) {
	t.Parallel()
	r := NewReader(bytes.NewReader(header0(0, maxVideo, Video)), noAck)
	_, err := r.Read()
	require.ErrorIs(t, err, ErrTooLarge)

	r = NewReader(bytes.NewReader(header0(0, maxVideo, Video)), noAck)
	r.AllowMedia()
	_, err = r.Read()
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.LessOrEqual(t, cap(r.streams[4].body), firstBuffer)
	require.LessOrEqual(t, cap(grow(make([]byte, 10), 10, 25)), 25)
}

// What is held in messages that are not whole is bounded over all streams.
func TestHeld(t *testing.T) {
	t.Parallel()
	var wire []byte
	wire = append(wire, join([]byte{2, 0, 0, 0, 0, 0, 4, SetChunkSize, 0, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, maxAudio))...)
	for i := range 12 {
		wire = append(wire, join([]byte{0, byte(i)}, header0(0, maxVideo, Video)[1:], make([]byte, maxAudio))...)
	}
	_, err := readAll(wire)
	require.ErrorIs(t, err, ErrTooLarge)
}

func TestAcknowledge(t *testing.T) {
	t.Parallel()
	wire := join(header0(0, 4, WindowAckSize), binary.BigEndian.AppendUint32(nil, 100))
	for range 20 {
		wire = append(wire, join(header0(0, 30, Audio), make([]byte, 30))...)
	}
	var acks []uint32
	r := NewReader(bytes.NewReader(wire), func(n uint32) error {
		acks = append(acks, n)
		return nil
	})
	for {
		if _, err := r.Read(); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	require.Len(t, acks, 7)
	require.IsIncreasing(t, acks)
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	server, client := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- Accept(server) }()
	require.NoError(t, Connect(client))
	require.NoError(t, <-ended)
	require.ErrorIs(t, Accept(bytes.NewBuffer([]byte{6})), ErrMalformed)
	require.Error(t, Accept(bytes.NewBuffer([]byte{3, 1, 2})))
}

func FuzzRead(f *testing.F) {
	f.Add(join(header0(10, 2, Audio), []byte{9, 9}, []byte{0xc4, 9, 9}))
	f.Add(join(header0(0xffffff, 130, Audio), []byte{1, 0, 0, 0}, make([]byte, 128), []byte{0xc4, 1, 0, 0, 0, 9, 9}))
	f.Add(join(header0(0, 4, SetChunkSize), []byte{0, 0, 0x10, 0}, []byte{0, 9}, header0(0, 300, Video)[1:], make([]byte, 300)))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, _ := readAll(b)
		total := 0
		for _, m := range list {
			total += len(m.Body)
		}
		if total > len(b) {
			t.Fatalf("%d bytes of messages out of %d", total, len(b))
		}
		var wire bytes.Buffer
		w := NewWriter(&wire)
		if err := w.Announce(); err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			if err := w.Write(m); err != nil {
				t.Fatal(err)
			}
		}
		again, _ := readAll(wire.Bytes())
		if len(again) != len(list) {
			t.Fatalf("%d messages became %d", len(list), len(again))
		}
	})
}
