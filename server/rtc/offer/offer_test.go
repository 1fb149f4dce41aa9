package offer

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
)

// read returns one of the offers as its client sends it.
func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "offers", name+".sdp"))
	require.NoError(t, err)
	return strings.ReplaceAll(string(b), "\n", "\r\n")
}

func TestOffersOfClients(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name         string
		want         Purpose
		audio, video Codec
		ufrag        string
	}{
		{
			"chromium-publish", ToPublish,
			Codec{Payload: 111, Codec: media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"}, TransportCC: true},
			Codec{Payload: 96, Codec: media.Codec{Name: media.VP8, ClockRate: 90000}, RTX: 97, RTXFmtp: "apt=96", NACK: true, TransportCC: true},
			"F7gI",
		},
		{
			"firefox-publish", ToPublish,
			Codec{Payload: 109, Codec: media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "maxplaybackrate=48000;stereo=1;useinbandfec=1"}},
			Codec{Payload: 120, Codec: media.Codec{Name: media.VP8, ClockRate: 90000, Fmtp: "max-fs=12288;max-fr=60"}, RTX: 124, RTXFmtp: "apt=120", NACK: true, TransportCC: true},
			"9a8b7c6d",
		},
		{
			"obs-publish", ToPublish,
			Codec{Payload: 111, Codec: media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;maxaveragebitrate=96000;stereo=1;sprop-stereo=1;useinbandfec=1"}},
			Codec{Payload: 96, Codec: media.Codec{Name: media.H264, ClockRate: 90000, Fmtp: "profile-level-id=42e01f;packetization-mode=1;level-asymmetry-allowed=1"}, NACK: true},
			"bW0r",
		},
		{
			"safari-watch", ToWatch,
			Codec{Payload: 111, Codec: media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "minptime=10;useinbandfec=1"}},
			Codec{Payload: 96, Codec: media.Codec{Name: media.H264, ClockRate: 90000, Fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640c1f"}, RTX: 97, RTXFmtp: "apt=96"},
			"4uTx",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			o, err := Parse(read(t, tt.name), tt.want)
			require.NoError(t, err)
			require.Len(t, o.Sections, 2)
			assert.Equal(t, tt.ufrag, o.Ufrag)
			assert.Equal(t, tt.audio, o.Sections[0].Codecs[0])
			assert.Equal(t, tt.video, o.Sections[1].Codecs[0])
			assert.Equal(t, tt.name == "obs-publish", o.Sections[0].Stereo)
			assert.Equal(t, tt.want == ToPublish, o.Sections[1].SSRCs)
			text, err := o.Text()
			require.NoError(t, err)
			assert.NotContains(t, text, "a=candidate")
			_, err = Parse(text, tt.want)
			require.NoError(t, err, "what was kept is an offer too")
		})
	}
}

// The codecs of a section come in the offer's order, without those that no
// stream can have.
func TestOrderOfCodecs(t *testing.T) {
	t.Parallel()
	o, err := Parse(read(t, "chromium-publish"), ToPublish)
	require.NoError(t, err)
	var names []string
	for _, c := range o.Sections[1].Codecs {
		names = append(names, fmt.Sprintf("%d %s", c.Payload, c.Codec.Name))
	}
	assert.Equal(t, []string{"96 VP8", "103 H264", "109 H264", "45 AV1", "98 VP9", "100 VP9"}, names)
	names = nil
	for _, c := range o.Sections[0].Codecs {
		names = append(names, c.Codec.Name)
	}
	assert.Equal(t, []string{media.Opus, media.G722, media.PCMU, media.PCMA}, names)
}

func TestBadOffers(t *testing.T) {
	t.Parallel()
	good := read(t, "chromium-publish")
	firefox := read(t, "firefox-publish")
	replace := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.ReplaceAll(good, old, new)
	}
	once := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, new, 1)
	}
	video := "m=video" + strings.Split(good, "m=video")[1]
	for _, tt := range []struct {
		name     string
		in       string
		unusable bool
		says     string
	}{
		{"empty", "", false, "no media"},
		{"prose", "please let me in", false, "cannot be read"},
		{"binary", "v=0\x00\x01", false, "control characters"},
		{"no media", strings.Split(good, "m=audio")[0], false, "no media"},
		{"only a session", "v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", false, "no media"},
		{"2,000 m-lines", good + strings.Repeat("m=video 9 UDP/TLS/RTP/SAVPF 96\r\n", 2000), false, "at most"},
		{"5 m-lines", good + strings.Repeat("m=video 9 X 96\r\n", 3), true, "more than 4"},
		{"giant line", good + "a=x:" + strings.Repeat("y", 5000) + "\r\n", false, "line of"},
		{"giant body", good + strings.Repeat("a=x\r\n", 20000), false, "bytes"},
		{"many payload types", once(" 111 63 9 0", strings.Repeat(" 111", 100)+" 63 9 0"), false, "payload types"},
		{"many SSRCs", good + strings.Repeat("a=ssrc:1 cname:x\r\n", 70), false, "SSRCs"},
		{"two videos", good + video, true, "kind"},
		{"data channel", good + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n", true, "application"},
		{"both lite", once("a=msid-semantic", "a=ice-lite\r\na=msid-semantic"), true, "ICE-lite"},
		{"no ufrag", replace("a=ice-ufrag:F7gI\r\n", ""), false, "ice-ufrag"},
		{"no password", replace("a=ice-pwd:x9cml/YzichV2+XlhiMu8g3d\r\n", ""), false, "ice-pwd"},
		{"no fingerprint", replace("a=fingerprint:", "a=finger:"), false, "fingerprint"},
		{"passive", replace("a=setup:actpass", "a=setup:passive"), true, "passive"},
		{"no setup", replace("a=setup:actpass\r\n", ""), true, "setup"},
		{"no rtcp-mux", replace("a=rtcp-mux\r\n", ""), true, "rtcp-mux"},
		{"plain RTP", replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), true, "SAVPF"},
		{"rejected", once("m=video 9", "m=video 0"), true, "port 0"},
		{"recvonly", replace("a=sendonly", "a=recvonly"), true, "offer sendonly"},
		{"inactive", replace("a=sendonly", "a=inactive"), true, "offer sendonly"},
		{"no bundle", replace("a=group:BUNDLE 0 1\r\n", ""), true, "BUNDLE"},
		{"half a bundle", replace("a=group:BUNDLE 0 1", "a=group:BUNDLE 0"), true, "BUNDLE"},
		{"no mid", replace("a=mid:1\r\n", ""), true, "BUNDLE"},
		{"no known codec", strings.NewReplacer("opus/48000/2", "x/1", "G722/", "x/", "PCMU/", "x/", "PCMA/", "x/").Replace(good), true, "opus, G722, PCMU, PCMA"},
		{"mono opus", strings.NewReplacer("opus/48000/2", "opus/48000", " 63 9 0 8", "").Replace(good), true, "codec"},
		{"session direction", strings.Replace(strings.ReplaceAll(firefox, "a=sendonly\r\n", ""), "a=sendrecv", "a=recvonly", 1), true, "offer sendonly"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse(tt.in, ToPublish)
			var e *Error
			require.ErrorAs(t, err, &e)
			assert.Equal(t, tt.unusable, e.Unusable, e.Text)
			assert.Contains(t, e.Text, tt.says)
			assert.Less(t, len(e.Text), 400, "nothing long is repeated")
		})
	}
}

// What a viewer offers beside a video and an audio is refused by itself.
func TestRefusedSections(t *testing.T) {
	t.Parallel()
	good := read(t, "safari-watch")
	more := "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:v2\r\na=rtpmap:96 VP8/90000\r\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:d\r\n"
	o, err := Parse(good+more, ToWatch)
	require.NoError(t, err)
	require.Len(t, o.Sections, 4)
	for i, refused := range []bool{false, false, true, true} {
		assert.Equal(t, refused, o.Sections[i].Refused(), i)
	}
	assert.Equal(t, Section{Line: "application", Proto: "UDP/DTLS/SCTP", Mid: "d"}, o.Sections[3])

	deaf := strings.NewReplacer("SAVPF 111 9 0 8", "SAVPF 111", "opus/48000/2", "x/1").Replace(good)
	o, err = Parse(deaf, ToWatch)
	require.NoError(t, err)
	assert.True(t, o.Sections[0].Refused(), "no codec")
	o, err = Parse(strings.Replace(good, "m=audio 9", "m=audio 0", 1), ToWatch)
	require.NoError(t, err)
	assert.True(t, o.Sections[0].Refused(), "port 0")

	for name, bad := range map[string]string{
		"nothing left": strings.NewReplacer("m=audio", "m=text", "m=video", "m=application").Replace(good),
		"no mid":       strings.ReplaceAll(good, "a=mid:0\r\n", ""),
		"long mid":     strings.ReplaceAll(good, "a=mid:0", "a=mid:"+strings.Repeat("0", 33)),
		"no bundle":    strings.ReplaceAll(good, "a=group:BUNDLE", "a=group:LS"),
	} {
		_, err := Parse(bad, ToWatch)
		var e *Error
		require.ErrorAs(t, err, &e, name)
	}
}

func TestTransportCC(t *testing.T) {
	t.Parallel()
	good := read(t, "safari-watch")
	for in, want := range map[string]uint8{
		"a=extmap:3 " + TransportCC:                 3,
		"a=extmap:14/recvonly " + TransportCC:       14,
		"a=extmap:1/sendrecv " + TransportCC + " x": 1,
		"a=extmap:3/sendonly " + TransportCC:        0,
		"a=extmap:3/inactive " + TransportCC:        0,
		"a=extmap:0 " + TransportCC:                 0,
		"a=extmap:15 " + TransportCC:                0,
		"a=extmap:300 " + TransportCC:               0,
		"a=extmap:x " + TransportCC:                 0,
		"a=extmap:3 urn:other":                      0,
		"a=extmap:3":                                0,
	} {
		plain := strings.ReplaceAll(good, TransportCC, "urn:none")
		o, err := Parse(strings.Replace(plain, "m=audio", in+"\r\nm=audio", 1), ToWatch)
		require.NoError(t, err)
		assert.Equal(t, want, o.Sections[0].TransportCC, in)
		assert.Equal(t, want, o.Sections[1].TransportCC, "the session's are for all: %s", in)
		o, err = Parse(plain+in+"\r\n", ToWatch)
		require.NoError(t, err)
		assert.Zero(t, o.Sections[0].TransportCC, in)
		assert.Equal(t, want, o.Sections[1].TransportCC, in)
	}
}

func TestWatchingDirections(t *testing.T) {
	t.Parallel()
	good := read(t, "safari-watch")
	for direction, ok := range map[string]bool{"recvonly": true, "sendrecv": true, "sendonly": false, "inactive": false} {
		_, err := Parse(strings.ReplaceAll(good, "a=recvonly", "a="+direction), ToWatch)
		assert.Equal(t, ok, err == nil, direction)
	}
}

// Thousands of candidates cost one pass over the text: they are not parsed.
func TestCandidatesAreTakenOut(t *testing.T) {
	t.Parallel()
	good := read(t, "obs-publish")
	o, err := Parse(good+strings.Repeat("a=candidate:1 1 UDP 1 192.0.2.20 1 typ host\r\n", 1200), ToPublish)
	require.NoError(t, err)
	text, err := o.Text()
	require.NoError(t, err)
	assert.Less(t, len(text), len(good))
}

func TestFragments(t *testing.T) {
	t.Parallel()
	for in, ufrag := range map[string]string{
		"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 UDP 1 192.0.2.1 6 typ host\r\na=end-of-candidates\r\n": "EsAw",
		"a=end-of-candidates\n": "",
	} {
		f, err := ParseFragment(in)
		require.NoError(t, err)
		assert.Equal(t, ufrag, f.Ufrag)
	}
	for _, in := range []string{
		"", "\r\n\r\n", "hello", "v=0\r\n", "a=\r\n", "a=candidate:\r\n", "a=candidate:1 1 UDP 1 192.0.2.1 6 is host\r\n",
		"a=" + strings.Repeat("x", 5000), strings.Repeat("a=mid:0\r\n", 300), "a=mid:0\x00\r\n", "a=x\ra=y\r\n",
	} {
		_, err := ParseFragment(in)
		var e *Error
		require.ErrorAs(t, err, &e, in)
	}
}

func TestFragmentOfRestart(t *testing.T) {
	t.Parallel()
	f, err := ParseFragment("a=ice-options:trickle\r\na=mid:no\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=ice-ufrag:EsAw\r\n" +
		"a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=video 9 RTP/AVP 0\r\na=mid:1\r\n")
	require.NoError(t, err)
	assert.Equal(t, Fragment{Ufrag: "EsAw", Password: "P2uYro0UCOQ4zxjKXaWCBui1", Section: []string{"m=audio 9 RTP/AVP 0", "a=mid:0"}}, f)
	assert.NoError(t, f.CheckRestart())
	for _, bad := range []Fragment{
		{Ufrag: "EsA", Password: f.Password}, {Ufrag: strings.Repeat("E", 257), Password: f.Password},
		{Ufrag: "EsAw"}, {Ufrag: "EsAw", Password: strings.Repeat("p", 21)}, {Ufrag: "EsAw", Password: strings.Repeat("p", 257)},
	} {
		assert.Error(t, bad.CheckRestart())
	}
}

// FuzzParse looks for offers that are accepted and then cannot be used.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/offers/*.sdp")
	require.NoError(f, err)
	for _, file := range files {
		b, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(strings.ReplaceAll(string(b), "\n", "\r\n"), strings.Contains(file, "publish"))
	}
	watch := strings.ReplaceAll(read(f, "safari-watch"), "\r\n", "\n")
	for _, seed := range []string{
		"", "v=0\r\no=- 1 1 IN IP4 0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0 8 9\r\na=mid:a\r\na=fingerprint:sha-256 AA\r\n",
		strings.ReplaceAll(watch, "apt=96", "apt=apt=;"), strings.ReplaceAll(watch, "/90000", "/"),
		strings.ReplaceAll(watch, "m=audio", "a=extmap:15/sendonly "+TransportCC+"\nm=text"),
	} {
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, publish bool) {
		want := ToWatch
		if publish {
			want = ToPublish
		}
		o, err := Parse(text, want)
		var e *Error
		if err != nil {
			if !errors.As(err, &e) || e.Text == "" {
				t.Fatalf("an error without words: %v", err)
			}
			return
		}
		if len(o.Sections) == 0 || len(o.Sections) > maxSections {
			t.Fatalf("%d sections", len(o.Sections))
		}
		if o.Ufrag == "" || o.Fingerprint.Hash == "" {
			t.Fatalf("no ufrag or fingerprint: %+v", o)
		}
		for _, s := range o.Sections {
			if s.Refused() && publish || s.Refused() != (len(s.Codecs) == 0) || len(s.Codecs) > maxPayloads {
				t.Fatalf("%d codecs, refused: %v", len(s.Codecs), s.Refused())
			}
			if s.TransportCC > 14 || len(s.Mid) > maxMid || !publish && !s.Refused() && s.Mid == "" {
				t.Fatalf("%+v", s)
			}
		}
		if _, err := o.Text(); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzParseFragment looks for a crash.
func FuzzParseFragment(f *testing.F) {
	f.Add("a=ice-ufrag:EsAw\r\na=ice-pwd:P2uY\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\na=candidate:1 1 UDP 1 192.0.2.1 6 typ host\r\n")
	f.Add("a=end-of-candidates")
	f.Fuzz(func(t *testing.T, text string) {
		if f, err := ParseFragment(text); err == nil && strings.ContainsAny(f.Ufrag+f.Password+strings.Join(f.Section, ""), "\r\n") {
			t.Fatalf("%q", f.Ufrag)
		}
	})
}
