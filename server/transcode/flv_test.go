package transcode

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func flvFile(tags ...[]byte) []byte {
	file := []byte{'F', 'L', 'V', 1, 1, 0, 0, 0, 9, 0, 0, 0, 0}
	for _, tag := range tags {
		file = append(append(file, tag...), 0, 0, 0, 0)
	}
	return file
}

func flvTagBytes(kind byte, ms uint32, body ...byte) []byte {
	n := len(body)
	return append([]byte{kind, byte(n >> 16), byte(n >> 8), byte(n), byte(ms >> 16), byte(ms >> 8), byte(ms), byte(ms >> 24), 0, 0, 0}, body...)
}

func TestFLV(t *testing.T) {
	t.Parallel()
	file := flvFile(
		flvTagBytes(18, 0, 2, 0, 0),                             // metadata
		flvTagBytes(flvVideo, 0, 0x17, 0, 0, 0, 0, 1),           // configuration
		flvTagBytes(flvAudio, 1, 0x2F, 1, 9),                    // MP3
		flvTagBytes(flvAudio, 2, 0xAF, 1, 7),                    //
		flvTagBytes(flvVideo, 1<<24+5, 0x27, 1, 0, 0, 40, 5, 6), // shown 40 ms later
		flvTagBytes(flvVideo, 100, 0x17, 1, 0xFF, 0xFF, 0xFF, 5),
		flvTagBytes(flvVideo, 100, 0x17, 2, 0, 0, 0), // end of sequence
		flvTagBytes(flvAudio, 2, 0xAF),
	)
	f := flvReader{r: bufio.NewReader(bytes.NewReader(file))}
	want := []flvTag{
		{kind: flvVideo, header: true, keyframe: true, data: []byte{1}},
		{kind: flvAudio, at: 2 * time.Millisecond, data: []byte{7}},
		{kind: flvVideo, at: (1<<24 + 45) * time.Millisecond, data: []byte{5, 6}},
		{kind: flvVideo, at: 99 * time.Millisecond, keyframe: true, data: []byte{5}},
	}
	for _, w := range want {
		got, err := f.next()
		require.NoError(t, err)
		require.Equal(t, w, got)
	}
	_, err := f.next()
	require.ErrorIs(t, err, io.EOF)
}

func TestMalformedFLV(t *testing.T) {
	t.Parallel()
	for name, file := range map[string][]byte{
		"no FLV":                   []byte("GIF89a                "),
		"a header of another size": append([]byte("FLV\x01\x01\x00\x00\x00\x0a"), make([]byte, 9)...),
		"a tag of 16 MB":           flvFile([]byte{9, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0}),
	} {
		f := flvReader{r: bufio.NewReader(bytes.NewReader(file))}
		_, err := f.next()
		require.ErrorIs(t, err, errFLV, name)
	}
	for _, text := range []string{"000000", "00000002ff", "ffffffffff"} {
		data, _ := hex.DecodeString(text)
		_, err := readUnits(data)
		require.ErrorIs(t, err, errFLV, text)
	}
	for _, text := range []string{"01", "0142c01ffce1", "0142c01fffe1", "0142c01fffe1000467", "0142c01fffe1000000", "0142c01fffe1000167"} {
		data, _ := hex.DecodeString(text)
		_, err := readParameterSets(data)
		require.ErrorIs(t, err, errFLV, text)
	}
	sets, err := readParameterSets([]byte{1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68})
	require.NoError(t, err)
	require.Equal(t, [][]byte{{0x67, 1}, {0x68}}, sets)
}

func FuzzFLV(f *testing.F) {
	f.Add(flvFile(flvTagBytes(flvVideo, 0, 0x17, 0, 0, 0, 0, 1, 0x42, 0xC0, 0x1F, 0xFF, 0xE1, 0, 2, 0x67, 1, 1, 0, 1, 0x68)))
	f.Add(flvFile(flvTagBytes(flvVideo, 7, 0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 0x9A), flvTagBytes(flvAudio, 9, 0xAF, 1, 1, 2, 3)))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := flvReader{r: bufio.NewReader(bytes.NewReader(file))}
		for {
			tag, err := r.next()
			if err != nil {
				return
			}
			if len(tag.data) == 0 {
				t.Fatal("a tag without media")
			}
			for _, read := range []func([]byte) ([][]byte, error){readUnits, readParameterSets} {
				units, err := read(tag.data)
				total := 0
				for _, u := range units {
					total += len(u)
				}
				if err == nil && total > len(tag.data) {
					t.Fatal("more came out than went in")
				}
			}
		}
	})
}
