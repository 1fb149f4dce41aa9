package rtsp

import (
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/sdpunmarshaler"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtsp/sdp"
)

// described reads a description as the library does.
func described(t testing.TB, body []byte) (*description.Session, error) {
	t.Helper()
	s, err := sdpunmarshaler.Unmarshal(body)
	if err != nil {
		return nil, err
	}
	var d description.Session
	return &d, d.Unmarshal2(s)
}

func section(kind, payloadType string, lines ...string) string {
	return "m=" + kind + " 0 RTP/AVP " + payloadType + "\r\n" + strings.Join(lines, "\r\n") + "\r\na=control:track\r\n"
}

func TestOffers(t *testing.T) {
	t.Parallel()
	aac48 := media.AACCodec(&mpeg4audio.AudioSpecificConfig{Type: mpeg4audio.ObjectTypeAACLC, SampleRate: 48000, ChannelConfig: 2})
	sprop := "sprop-parameter-sets=Z0LADdkBQZ+fARAAAAMAEAAAAwMg8UKkgA==,aMuDyyA="
	for name, c := range map[string]struct {
		section string
		want    media.Codec
		carried bool
		named   string
	}{
		"H264": {
			section("video", "96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1; "+sprop), media.H264Codec(testSPS, testPPS), true, "H264",
		},
		"H264 without a mode": {
			section("video", "96", "a=rtpmap:96 H264/90000", "a=fmtp:96 "+sprop), media.H264Codec(testSPS, testPPS), true, "H264",
		},
		"H264 without parameters": {section("video", "96", "a=rtpmap:96 h264/90000"), media.H264Codec(nil, nil), true, "H264"},
		"H264 in single units": {
			section("video", "96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=0"), media.H264Codec(nil, nil), true, "H264",
		},
		"H265":               {section("video", "96", "a=rtpmap:96 H265/90000"), media.H265Codec(nil, nil, nil), true, "H265"},
		"H265 out of order":  {section("video", "96", "a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-max-don-diff=2"), media.H265Codec(nil, nil, nil), false, "H265"},
		"H265, broken":       {section("video", "96", "a=rtpmap:96 H265/90000", "a=fmtp:96 sprop-sps=AAAA"), media.Codec{}, false, "H265"},
		"VP8":                {section("video", "96", "a=rtpmap:96 VP8/90000"), media.Codec{Name: media.VP8, ClockRate: 90000}, true, "VP8"},
		"VP9":                {section("video", "96", "a=rtpmap:96 VP9/90000", "a=fmtp:96 profile-id=2"), media.Codec{Name: media.VP9, ClockRate: 90000, Fmtp: "profile-id=2"}, true, "VP9"},
		"AV1":                {section("video", "96", "a=rtpmap:96 AV1/90000"), media.Codec{Name: media.AV1, ClockRate: 90000}, true, "AV1"},
		"MJPEG":              {section("video", "26"), media.Codec{Name: media.MJPEG, ClockRate: 90000}, false, "MJPEG"},
		"MPEG-4":             {section("video", "96", "a=rtpmap:96 MP4V-ES/90000"), media.Codec{}, false, "MP4V-ES"},
		"Opus":               {section("audio", "97", "a=rtpmap:97 opus/48000/2", "a=fmtp:97 sprop-stereo=1"), media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "sprop-stereo=1;stereo=1"}, true, "opus"},
		"Opus of six":        {section("audio", "97", "a=rtpmap:97 multiopus/48000/6"), media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}, false, "Opus with 6 channels"},
		"AAC without config": {section("audio", "97", "a=rtpmap:97 MPEG4-GENERIC/48000/2"), media.Codec{}, false, "MPEG4-GENERIC"},
		"LATM":               {section("audio", "97", "a=rtpmap:97 MP4A-LATM/48000/2", "a=fmtp:97 cpresent=0; config=400023203fc0"), aac48, true, "AAC in LATM"},
		"LATM in itself":     {section("audio", "97", "a=rtpmap:97 MP4A-LATM/90000/1", "a=fmtp:97 cpresent=1"), media.Codec{}, false, "AAC in LATM"},
		"AAC":                {section("audio", "97", "a=rtpmap:97 MPEG4-GENERIC/48000/2", "a=fmtp:97 sizelength=13;indexlength=3;indexdeltalength=3;config=1190"), aac48, true, "AAC"},
		"HE-AAC":             {section("audio", "97", "a=rtpmap:97 MPEG4-GENERIC/48000/2", "a=fmtp:97 sizelength=13;indexlength=3;indexdeltalength=3;config=2B118800"), media.Codec{}, false, "HE-AAC"},
		"PCMU":               {section("audio", "0"), media.Codec{Name: media.PCMU, ClockRate: 8000}, true, "PCMU"},
		"PCMA":               {section("audio", "8"), media.Codec{Name: media.PCMA, ClockRate: 8000}, true, "PCMA"},
		"PCMA of 16 kHz":     {section("audio", "97", "a=rtpmap:97 PCMA/16000"), media.Codec{Name: media.PCMA, ClockRate: 8000}, false, "G711 with 16000 Hz and 1 channels"},
		"G722":               {section("audio", "9"), media.Codec{Name: media.G722, ClockRate: 8000}, true, "G722"},
		"G726":               {section("audio", "97", "a=rtpmap:97 G726-32/8000"), media.Codec{}, false, "G726-32"},
		"without a name":     {section("audio", "97"), media.Codec{}, false, "type97"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := described(t, sdp.Mend([]byte(sdp.Head+c.section)))
			require.NoError(t, err)
			offers := offersOf(d)
			require.Len(t, offers, 1)
			assert.Equal(t, c.carried, offers[0].Carried)
			assert.Equal(t, c.named, offers[0].Name)
			if c.want.Name != "" {
				assert.Equal(t, c.want, offers[0].Codec)
			}
		})
	}
}

// A camera's second picture is not a second track.
func TestOffersOnePictureAndOneSound(t *testing.T) {
	t.Parallel()
	d, err := described(t, sdp.Mend([]byte(sdp.Head+
		section("video", "96", "a=rtpmap:96 MP4V-ES/90000")+
		section("video", "97", "a=rtpmap:97 H264/90000")+
		section("video", "98", "a=rtpmap:98 H265/90000")+
		section("audio", "0")+section("application", "107", "a=rtpmap:107 vnd.onvif.metadata/90000"))))
	require.NoError(t, err)
	list, left := carried(offersOf(d))
	require.Len(t, list, 2)
	assert.Equal(t, media.H264, list[0].Codec.Name)
	assert.Equal(t, media.PCMU, list[1].Codec.Name)
	assert.Equal(t, []string{"MP4V-ES"}, left)
}

// What RTSP is told of a codec comes back as that codec.
func TestFormatsComeBack(t *testing.T) {
	t.Parallel()
	for _, c := range []media.Codec{
		media.H264Codec(testSPS, testPPS), media.H265Codec(nil, nil, nil),
		{Name: media.VP8, ClockRate: 90000}, {Name: media.VP9, ClockRate: 90000}, {Name: media.AV1, ClockRate: 90000},
		{Name: media.AAC, ClockRate: 48000, Channels: 2, Fmtp: "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190"},
		{Name: media.Opus, ClockRate: 48000, Channels: 2, Fmtp: "sprop-stereo=1;stereo=1"},
		{Name: media.G722, ClockRate: 8000}, {Name: media.PCMU, ClockRate: 8000}, {Name: media.PCMA, ClockRate: 8000},
	} {
		f := formatOf(c, 96, c.ParameterSets())
		require.NotNil(t, f, c.Name)
		back, ok := codecOf(f)
		assert.True(t, ok)
		assert.Equal(t, c, back)
	}
	assert.False(t, playable(media.Codec{Name: media.MJPEG}, media.Traits{}))
	assert.False(t, playable(media.Codec{Name: media.AAC}, media.Traits{}), "without its configuration")
}

func TestStreamOf(t *testing.T) {
	t.Parallel()
	for uri, want := range map[string]string{
		"/harbour": "harbour", "/harbour/": "harbour", "/harbour/trackID=0": "harbour", "harbour": "harbour",
		"rtsp://host:8554/harbour/trackID=1": "harbour", "rtsp://host/harbour?key=x/trackID=1": "harbour",
		"rtsps://host/harbour": "harbour", "": "", "/": "", "rtsp://host": "", "/harbour?key=x": "harbour",
	} {
		assert.Equal(t, want, streamOf(uri), uri)
	}
}

func TestWithoutSource(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]string{
		"RTP/AVP;unicast;client_port=1-2;server_port=3-4":                  "RTP/AVP;unicast;client_port=1-2;server_port=3-4",
		"RTP/AVP;unicast;Source=10.0.0.1;server_port=3-4;ssrc=1":           "RTP/AVP;unicast;server_port=3-4;ssrc=1",
		"RTP/AVP;unicast; source = 10.0.0.1;source=example.org;mode=play;": "RTP/AVP;unicast;mode=play;",
	} {
		assert.Equal(t, want, withoutSource(header))
	}
}

// FuzzTolerable looks for descriptions that are harmed by being mended.
func FuzzTolerable(f *testing.F) {
	for _, s := range []string{
		"", videoSDP, section("audio", "97"), sdp.Head + section("audio", "97 98 0", "a=rtpmap:97 MPEG4-GENERIC/48000/2", "a=fmtp:97 config=zz"),
		"m=", "m=video", "m=video 0 RTP/AVP\r\n", "a=rtpmap:96 H264/90000\r\nm=video 0 RTP/AVP 96\na=rtpmap:96  H264/90000",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		_, before := described(t, body)
		mended := sdp.Mend(body)
		d, after := described(t, mended)
		if before == nil && after != nil {
			t.Fatalf("%q was fine and is %q", body, mended)
		}
		if after != nil {
			return
		}
		for _, o := range offersOf(d) {
			if o.Carried && (o.Codec.ClockRate == 0 || formatOf(o.Codec, 96, o.Codec.ParameterSets()) == nil) {
				t.Fatalf("%q offers %+v", body, o.Codec)
			}
		}
	})
}

// FuzzCredentials looks for what crashes, and for secrets that get lost.
func FuzzCredentials(f *testing.F) {
	f.Add("Basic YWRhOnNlY3JldA==", "")
	f.Add("basic YWRhOmhrX2E6Yg==", "key=hk_1")
	f.Add(`Digest username="a", realm="Heliograph", nonce="n", uri="rtsp://h/s", response="r", algorithm="MD5"`, "")
	f.Add("Digest", "user=ada&pass=x%")
	f.Fuzz(func(t *testing.T, header, query string) {
		c := credentialsOf(base.HeaderValue{header}, query)
		if c.digest != nil && proves(c.digest, base.Describe, "hk_secret") && c.digest.Response == "" {
			t.Fatal("proven by nothing")
		}
		if c.token != "" && c.pass != "" && strings.HasPrefix(c.pass, "hk_") {
			t.Fatal("a key for a password")
		}
	})
}

// FuzzHeaders looks for what crashes in what cameras and clients name.
func FuzzHeaders(f *testing.F) {
	f.Add("rtsp://h/s/trackID=0")
	f.Add("RTP/AVP;source=1.2.3.4;unicast")
	f.Add("////?")
	f.Fuzz(func(t *testing.T, s string) {
		if name := streamOf(s); strings.ContainsAny(name, "/?") {
			t.Fatalf("a stream named %q", name)
		}
		if out := withoutSource(s); len(out) > len(s) {
			t.Fatal("it grew")
		}
		for _, r := range plain(s) {
			if r < ' ' || r > '~' {
				t.Fatalf("%q is not plain", s)
			}
		}
		_ = setsOf(media.H264, [][]byte{[]byte(s)})
		_ = setsOf(media.H265, [][]byte{[]byte(s), nil})
	})
}
