package egress

import (
	"context"
	"strings"
	"testing"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/stretchr/testify/require"
)

// chromiumOffer is what Chromium asks with for a recvonly audio and video,
// shortened to one payload type of each codec.
const chromiumOffer = `v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:Qx6h
a=ice-pwd:kWb0bYPEe1Pl3hbX0XeFfNuY
a=ice-options:trickle
a=fingerprint:sha-256 1A:2B:3C:4D:5E:6F:70:81:92:A3:B4:C5:D6:E7:F8:09:1A:2B:3C:4D:5E:6F:70:81:92:A3:B4:C5:D6:E7:F8:09
a=setup:actpass
a=mid:0
a=recvonly
a=rtcp-mux
a=rtcp-rsize
a=rtpmap:111 opus/48000/2
a=rtcp-fb:111 transport-cc
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=fmtp:63 111/111
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
m=video 9 UDP/TLS/RTP/SAVPF 96 97 98 99 102 103 108 109 39 40 45 46 100 101 125
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:Qx6h
a=ice-pwd:kWb0bYPEe1Pl3hbX0XeFfNuY
a=fingerprint:sha-256 1A:2B:3C:4D:5E:6F:70:81:92:A3:B4:C5:D6:E7:F8:09:1A:2B:3C:4D:5E:6F:70:81:92:A3:B4:C5:D6:E7:F8:09
a=setup:actpass
a=mid:1
a=recvonly
a=rtcp-mux
a=rtpmap:96 VP8/90000
a=rtcp-fb:96 goog-remb
a=rtcp-fb:96 nack
a=rtcp-fb:96 nack pli
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:98 VP9/90000
a=fmtp:98 profile-id=0
a=rtpmap:99 rtx/90000
a=fmtp:99 apt=98
a=rtpmap:102 H264/90000
a=rtcp-fb:102 nack
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f
a=rtpmap:103 rtx/90000
a=fmtp:103 apt=102
a=rtpmap:108 H264/90000
a=fmtp:108 level-asymmetry-allowed=1;packetization-mode=0;profile-level-id=42e01f
a=rtpmap:109 rtx/90000
a=fmtp:109 apt=108
a=rtpmap:39 H264/90000
a=fmtp:39 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=4d001f
a=rtpmap:40 rtx/90000
a=fmtp:40 apt=39
a=rtpmap:45 AV1/90000
a=fmtp:45 level-idx=5;profile=0;tier=0
a=rtpmap:46 rtx/90000
a=fmtp:46 apt=45
a=rtpmap:100 VP9/90000
a=fmtp:100 profile-id=2
a=rtpmap:101 rtx/90000
a=fmtp:101 apt=100
a=rtpmap:125 red/90000
`

// offered is a viewer's offer.
func offered(t testing.TB, text string) *offer.Offer {
	t.Helper()
	o, err := offer.Parse(text, offer.ToWatch)
	require.NoError(t, err)
	return o
}

func TestPayloadOfCodec(t *testing.T) {
	t.Parallel()
	o := offered(t, chromiumOffer)
	require.Len(t, o.Sections, 2)
	video := payloadsOf(o.Sections[1])
	require.Equal(t, payload{codec: vp8, pt: 96, rtx: 97, nack: true}, video[0])

	for _, c := range []struct {
		codec media.Codec
		pt    uint8
	}{
		{media.Codec{Name: media.VP9, ClockRate: 90_000, Fmtp: "profile-id=2"}, 100},
		{media.Codec{Name: media.VP9, ClockRate: 90_000}, 98},
		{media.Codec{Name: media.H264, ClockRate: 90_000, Fmtp: "profile-level-id=42E01F;packetization-mode=1"}, 102},
		{media.Codec{Name: media.H264, ClockRate: 90_000, Fmtp: "profile-level-id=4d0032"}, 39},
		{media.Codec{Name: media.AV1, ClockRate: 90_000}, 45},
	} {
		p, ok := match(video, c.codec)
		require.True(t, ok, c.codec.Name)
		require.Equal(t, c.pt, p.pt, "%s %s", c.codec.Name, c.codec.Fmtp)
	}
	_, ok := match(video, media.Codec{Name: media.H265, ClockRate: 90_000})
	require.False(t, ok)
}

func TestSecondVideoIsRefusedInTheAnswer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sub, err := s.hub.Watch(context.Background(), watchGrant)
	require.NoError(t, err)
	extra := chromiumOffer + "m=video 9 UDP/TLS/RTP/SAVPF 96\na=mid:2\na=recvonly\na=rtpmap:96 VP8/90000\n" +
		"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:3\n"
	v, answer, err := s.engine.Watch(sub, offered(t, extra))
	require.NoError(t, err)
	defer v.Close(ErrLost)
	require.Contains(t, answer, "a=group:BUNDLE 0 1\r\n")
	require.Contains(t, answer, "m=video 0 UDP/TLS/RTP/SAVPF 0\r\n")
	require.Contains(t, answer, "m=application 0 UDP/DTLS/SCTP 0\r\n")
	require.Equal(t, 2, strings.Count(answer, "a=rtcp-mux-only\r\n"))
	require.Equal(t, 2, strings.Count(answer, "a=sendonly\r\n"))
}

// Characters whose lower case has another length once made a slice too short.
func TestProfileThatIsNoNumber(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"\u212a\u212a", "\u0130\u0130ab", "42e01", "zzzzzz", ""} {
		hostile := media.Codec{Name: media.H264, ClockRate: 90_000, Fmtp: "packetization-mode=1;profile-level-id=" + id}
		_, ok := match([]payload{{codec: hostile}}, media.Codec{Name: media.H264, ClockRate: 90_000})
		require.True(t, ok, id)
		_, ok = match([]payload{{codec: media.Codec{Name: media.H264, ClockRate: 90_000}}}, hostile)
		require.True(t, ok, id)
	}
}
