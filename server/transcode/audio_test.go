package transcode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// What goes in comes out: with its sound, from the beginning on, and with the
// timestamps of the source.
func TestAudio(t *testing.T) {
	t.Parallel()
	beep := tone("1", "1.5")
	type maker func(testing.TB) (media.Codec, []unit)
	aac := func(rate string) maker {
		return func(t testing.TB) (media.Codec, []unit) { return aacSource(t, beep, rate, "2") }
	}
	g711 := func(name string) maker {
		return func(t testing.TB) (media.Codec, []unit) { return g711Source(t, name, beep, "2") }
	}
	opus := func(t testing.TB) (media.Codec, []unit) { return opusSource(t, beep, "2") }
	cases := []struct {
		name   string
		make   maker
		target string
		late   int64 // samples by which the encoder of the test itself delays, at 48 kHz
	}{
		{"aac 48 kHz", aac("48000"), media.Opus, 1024},
		{"aac 44.1 kHz", aac("44100"), media.Opus, 1024 * 48000 / 44100},
		{"aac 16 kHz", aac("16000"), media.Opus, 1024 * 3},
		{"opus", opus, media.AAC, opusLookahead},
		{"pcmu to aac", g711(media.PCMU), media.AAC, 0},
		{"pcma to opus", g711(media.PCMA), media.Opus, 0},
		{"g722 to opus", g711(media.G722), media.Opus, 66},
		{"g722 to aac", g711(media.G722), media.AAC, 66},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			codec, list := c.make(t)
			const base = 1 << 20
			for i := range list {
				list[i].stamp += base
			}
			s := newStage(t, codec, media.Traits{}, c.target)
			s.feed(list, 400_000_000)
			origin := scale(base, int64(codec.ClockRate), 48000)
			s.out.reached(t, origin+48000*18/10)
			d := decode(t, s.made.Codec(), s.out.all())
			require.InDelta(t, origin, d.begin, 1025, "begins with the first sound")
			beep := origin + 48000 + c.late
			require.InDelta(t, beep, d.onset(0), 3*48, "begins to sound in time")
			at := int(beep - d.begin)
			require.InDelta(t, 1000, d.pitch(at+2400, at+2400+9600), 10)
			require.Greater(t, d.level(at+2400, at+12000), 0.2)
			require.Less(t, d.level(at+48000/2+9600/4, len(d.samples)), 0.01, "is silent afterwards")
		})
	}
}
