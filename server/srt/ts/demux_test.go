package ts_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/srt/ts"
)

// taken keeps what a Demuxer hands on.
type taken struct {
	programs [][]ts.Stream
	units    []ts.Unit
	bytes    int
}

func (t *taken) Program(s []ts.Stream) error { t.programs = append(t.programs, s); return nil }

func (t *taken) Unit(u ts.Unit) error {
	t.bytes += len(u.Data)
	t.units = append(t.units, u)
	return nil
}

// film is a transport stream of n pictures of H264 and as many units of an
// audio.
func film(audio ts.Kind, n int) []byte {
	var b []byte
	m := ts.NewMuxer([]ts.Kind{ts.H264, audio}, 2)
	for i := range n {
		at := int64(90_000 + 3000*i)
		picture := append([]byte{0, 0, 0, 1, 9, 0xf0}, bytes.Repeat([]byte{byte(i)}, 3*i*i)...)
		b = m.Append(b, 0, ts.Unit{PTS: at + 3000, DTS: at, Data: picture}, i%10 == 0)
		b = m.Append(b, 1, ts.Unit{PTS: at, DTS: at, Data: bytes.Repeat([]byte{7}, 1+i)}, true)
	}
	return b
}

func TestDemux(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]ts.Stream{
		"aac":  {PID: 257, Kind: ts.AAC, Name: "AAC", Taken: true},
		"opus": {PID: 257, Kind: ts.Opus, Name: "Opus", Channels: 2, Taken: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const pictures = 50
			raw := film(want.Kind, pictures)
			for _, chunk := range []int{1, 7, 188, 1316, len(raw)} {
				got := &taken{}
				d := ts.New(got)
				for b := raw; len(b) > 0; b = b[min(chunk, len(b)):] {
					_, err := d.Write(b[:min(chunk, len(b))])
					require.NoError(t, err)
				}
				require.Equal(t, [][]ts.Stream{{{PID: 256, Kind: ts.H264, Name: "H264", Taken: true}, want}}, got.programs)
				check(t, got, pictures)
			}
		})
	}
}

func check(t *testing.T, got *taken, pictures int) {
	t.Helper()
	video, audio := 0, 0
	for _, u := range got.units {
		if u.Stream.Kind == ts.H264 {
			require.Equal(t, int64(90_000+3000*video), u.DTS)
			require.Equal(t, u.DTS+3000, u.PTS)
			require.Equal(t, []byte{0, 0, 0, 1, 9, 0xf0}, u.Data[:6])
			video++
		} else {
			require.Equal(t, int64(90_000+3000*audio), u.PTS)
			audio++
		}
	}
	require.GreaterOrEqual(t, video, pictures-1) // the last one may wait for the next
	require.Equal(t, pictures, audio)
}

// A picture is handed on with its last packet once the muxer's habit is known.
func TestPictureNeedNotWaitForTheNext(t *testing.T) {
	t.Parallel()
	raw := film(ts.AAC, 60)
	for b := raw; len(b) > 0; b = b[ts.PacketSize:] { // as muxers do that leave out the length of pictures
		if i := bytes.Index(b[:ts.PacketSize], []byte{0, 0, 1, 0xe0}); i > 0 {
			b[i+4], b[i+5] = 0, 0
		}
	}
	got := &taken{}
	d := ts.New(got)
	early := 0
	for b := raw; len(b) > 0; b = b[ts.PacketSize:] {
		before := len(got.units)
		_, err := d.Write(b[:ts.PacketSize])
		require.NoError(t, err)
		start := b[1]&0x40 != 0
		if len(got.units) > before && got.units[before].Stream.Kind == ts.H264 && !start {
			early++
		}
	}
	require.Greater(t, early, 20)
}

func TestGarbageIsSkippedAndBounded(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 4000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	got := &taken{}
	d := ts.New(got)
	raw := film(ts.AAC, 40)
	cut := 20 * ts.PacketSize
	for _, b := range [][]byte{noise, raw[:cut], noise[:777], raw[cut:]} {
		_, err := d.Write(b)
		require.NoError(t, err)
	}
	require.Greater(t, len(got.units), 60)

	var err error
	for i := 0; err == nil; i++ {
		require.Less(t, i, 3000, "garbage must end")
		_, err = d.Write(noise)
	}
	require.ErrorIs(t, err, ts.ErrGarbage)
}

// A picture that never ends must not grow.
func TestEndlessPicture(t *testing.T) {
	t.Parallel()
	raw := film(ts.AAC, 1)
	got := &taken{}
	d := ts.New(got)
	_, err := d.Write(raw)
	require.NoError(t, err)
	endless := bytes.Repeat([]byte{0x41}, ts.PacketSize)
	for i := 0; err == nil; i++ {
		copy(endless, []byte{0x47, 1, 0, 0x10 | byte(i+1)&0x0f})
		require.Less(t, i, 100_000)
		_, err = d.Write(endless)
	}
	require.ErrorIs(t, err, ts.ErrGarbage)
}

func TestLossDropsOnePicture(t *testing.T) {
	t.Parallel()
	raw := film(ts.AAC, 50)
	lost := 400 // of a picture of many packets
	got := &taken{}
	d := ts.New(got)
	_, err := d.Write(append(bytes.Clone(raw[:lost*ts.PacketSize]), raw[(lost+1)*ts.PacketSize:]...))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(got.units), 97)
}

// pmt is a transport stream that is nothing but its tables.
func pmt(streams ...byte) []byte {
	b := film(ts.AAC, 1)[:2*ts.PacketSize]
	section := append(bytes.Clone(b[ts.PacketSize+5:ts.PacketSize+5+12]), streams...)
	section[2] = byte(len(section) - 3 + 4)
	section = binary.BigEndian.AppendUint32(section, ts.Checksum(section))
	copy(b[ts.PacketSize+5:], section)
	return b
}

func TestNames(t *testing.T) {
	t.Parallel()
	for want, streams := range map[string][]byte{
		"MPEG audio (MP2 or MP3)": {0x03, 0xe1, 0, 0xf0, 0},
		"AC-3":                    {0x06, 0xe1, 0, 0xf0, 3, 0x6a, 1, 0},
		"E-AC-3":                  {0x06, 0xe1, 0, 0xf0, 6, 0x05, 4, 'E', 'A', 'C', '3'},
		"AV1":                     {0x06, 0xe1, 0, 0xf0, 6, 0x05, 4, 'A', 'V', '0', '1'},
		"subtitles":               {0x06, 0xe1, 0, 0xf0, 2, 0x59, 0},
		`private data "wha\x00"`:  {0x06, 0xe1, 0, 0xf0, 6, 0x05, 4, 'w', 'h', 'a', 0},
		"private data":            {0x06, 0xe1, 0, 0xf0, 2, 0x05, 9},
		"stream type 0x99":        {0x99, 0xe1, 0, 0xf0, 0},
		"AAC in LATM":             {0x11, 0xe1, 0, 0xf0, 0},
		"MPEG-2 video":            {0x02, 0xe1, 0, 0xf0, 0},
	} {
		got := &taken{}
		_, err := ts.New(got).Write(pmt(streams...))
		require.NoError(t, err)
		require.Equal(t, [][]ts.Stream{{{PID: 256, Name: want}}}, got.programs)
	}
}

func FuzzDemux(f *testing.F) {
	f.Add(film(ts.AAC, 3), 188)
	f.Add(film(ts.Opus, 3), 1316)
	f.Add(film(ts.H265, 2), 5)
	f.Fuzz(func(t *testing.T, raw []byte, chunk int) {
		chunk = max(1, chunk)
		got := &taken{}
		d := ts.New(got)
		for b := raw; len(b) > 0; b = b[min(chunk, len(b)):] {
			if _, err := d.Write(b[:min(chunk, len(b))]); err != nil {
				return
			}
		}
		if got.bytes > len(raw) {
			t.Fatalf("%d bytes out of %d", got.bytes, len(raw))
		}
		for _, u := range got.units {
			if len(u.Data) == 0 || u.PTS < 0 || u.PTS >= 1<<33 {
				t.Fatalf("unit %+v", u)
			}
		}
	})
}
