package egress

import (
	"bytes"
	"context"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/rtc/feedback"
	"github.com/heliograph/heliograph/server/rtc/offer"
	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// numbered is chromiumOffer with the header extension that Chromium offers too.
func numbered() string {
	return strings.ReplaceAll(chromiumOffer, "a=recvonly\n", "a=recvonly\na=extmap:4 "+offer.TransportCC+"\n")
}

func TestAnswerToTransportCC(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	answered := func(offer string) (v *Viewer, answer string) {
		sub, err := s.hub.Watch(context.Background(), watchGrant)
		require.NoError(t, err)
		v, answer, err = s.engine.Watch(sub, offered(t, offer))
		require.NoError(t, err)
		t.Cleanup(func() { v.Close(ErrLost) })
		return v, answer
	}
	v, answer := answered(numbered())
	require.EqualValues(t, 4, v.lanes[0].transportID)
	require.True(t, v.flow.Tracked())
	require.Equal(t, 2, strings.Count(answer, "a=extmap:4 "+offer.TransportCC+"\r\n"), "audio and video have one space of numbers")
	for _, line := range []string{"a=rtcp-fb:111 transport-cc\r\n", "a=rtcp-fb:96 transport-cc\r\n", "a=rtcp-fb:96 nack\r\n", "a=rtcp-fb:96 nack pli\r\n"} {
		require.Contains(t, answer, line)
	}
	for name, offer := range map[string]string{
		"not offered":   chromiumOffer,
		"without RTX":   strings.ReplaceAll(withoutRTX(), "a=recvonly\n", "a=recvonly\na=extmap:4 "+offer.TransportCC+"\n"),
		"id of 2 bytes": strings.ReplaceAll(numbered(), "extmap:4", "extmap:15"),
	} {
		v, answer := answered(offer)
		require.Zero(t, v.lanes[0].transportID, name)
		require.False(t, v.flow.Tracked(), name)
		require.NotContains(t, answer, "transport", name)
		require.Contains(t, answer, "a=rtcp-fb:96 nack\r\n", name)
	}
}

// Firefox has numbers for video alone.
func TestAnswerToTransportCCOfVideoAlone(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sub, err := s.hub.Watch(context.Background(), watchGrant)
	require.NoError(t, err)
	audio, video, _ := strings.Cut(numbered(), "m=video")
	o := strings.ReplaceAll(audio, "a=extmap:4 "+offer.TransportCC+"\n", "") + "m=video" + video
	v, answer, err := s.engine.Watch(sub, offered(t, o))
	require.NoError(t, err)
	defer v.Close(ErrLost)
	require.EqualValues(t, 4, v.lane(media.Video).transportID)
	require.Zero(t, v.lane(media.Audio).transportID)
	require.Equal(t, 1, strings.Count(answer, "a=extmap:4 "+offer.TransportCC+"\r\n"))
	require.NotContains(t, answer, "a=rtcp-fb:111 transport-cc")
}

// pion's client numbers nothing itself: what it reports on is what it was sent.
func TestTransportWideFeedbackOfAClient(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 3)
	c, err := s.watch()
	require.NoError(t, err)
	require.NotZero(t, c.viewer.lanes[0].transportID)
	c.next(t)
	require.Eventually(t, func() bool {
		s.frame(false, 4)
		known := c.viewer.Statistics()
		return known.BitRate > 0 && !known.Reported.IsZero()
	}, 10*time.Second, 10*time.Millisecond)
	known := c.viewer.Statistics()
	require.WithinDuration(t, time.Now(), known.Heard, 5*time.Second)
	require.Less(t, known.PathLost, 0.5)
	require.Less(t, known.Lost, 0.5)
	require.Less(t, known.RoundTrip, 5*time.Second)
	require.NotZero(t, known.Packets)
	require.Greater(t, known.Bytes, known.Packets*1000)
	require.Zero(t, s.engine.count.badRTCP.Value())
	require.Zero(t, s.engine.count.skipped.Value())
	numbers := map[uint16]bool{}
	for len(numbers) < 100 {
		b := c.next(t).GetExtension(c.viewer.lanes[0].transportID)
		require.Len(t, b, 2)
		numbers[uint16(b[0])<<8|uint16(b[1])] = true
	}
}

func TestClientWithoutTransportCC(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.munge = func(offer string) string {
		return regexp.MustCompile(`a=extmap:\d+ http://www.ietf.org/id/draft-holmer.*\r\n`).ReplaceAllString(offer, "")
	}
	s.frame(true, 3)
	c, err := s.watch()
	require.NoError(t, err)
	require.Zero(t, c.viewer.lanes[0].transportID)
	require.False(t, c.next(t).Extension)
	require.Eventually(t, func() bool {
		s.frame(false, 1)
		return !c.viewer.Statistics().Reported.IsZero()
	}, 10*time.Second, 10*time.Millisecond)
	require.True(t, c.viewer.Statistics().Heard.IsZero())
	require.Zero(t, s.engine.count.skipped.Value())
}

// What a viewer tells reaches the shard in one letter, and the newest of it.
func TestNewsIsOneLetter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 8)
	r, p := b.watch(numbered()), newPlayer(t)
	b.serve()
	now := time.Now()
	l := r.lane(media.Video)
	for i := range byte(150) {
		body := make([]byte, 20)
		body[9], body[11], body[16], body[17] = i%8, 1, 1<<5, 1 // one packet has arrived
		r.feedbackAt(p.sealPlain(append([]byte{0x8f, 205, 0, 5}, body...)), now)
		r.feedbackAt(p.seal(&rtcp.ReceiverReport{SSRC: 7, Reports: []rtcp.ReceptionReport{{SSRC: l.ssrc, FractionLost: i}}}), now.Add(time.Duration(i)*time.Second))
	}
	require.Len(t, b.shard.mail, 1)
	require.LessOrEqual(t, len(r.wishes.news.numbered), maxFeedback)
	b.serve()
	known := r.Statistics()
	require.False(t, known.Heard.IsZero())
	require.InDelta(t, 149.0/256, known.Lost, 1e-9)
	require.EqualValues(t, 8, known.Packets)
	require.False(t, r.wishes.unheard())
	r.feedbackAt(p.seal(pli()), now.Add(time.Hour))
	b.serve()
	require.Equal(t, known.Heard, r.Statistics().Heard, "nothing is digested twice")
	require.Zero(t, r.engine.count.badRTCP.Value())
	require.False(t, r.flow.Behind(time.Now().UnixNano()))
}

// Without numbers for the transport, receiver reports tell how far a viewer has
// got.
func TestViewerThatLags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 4)
	r := b.watch(chromiumOffer)
	b.serve()
	b.packets(false, 4)
	b.serve()
	l := r.lane(media.Video)
	number := func(seq uint64) uint16 { n, _ := l.numbers.Out(seq); return uint16(n) }
	first := l.stretch.first
	late := time.Now().Add(5 * time.Second)
	require.Zero(t, l.lag(feedback.Report{Came: late, Highest: number(first + 7)}), "it has all")
	require.Zero(t, l.lag(feedback.Report{Came: late, Highest: number(first) - 1}), "of a number that was never sent")
	require.Zero(t, l.lag(feedback.Report{Came: late, Highest: number(first) + 8}), "of a number that is to come")
	for i := range uint64(7) {
		require.InDelta(t, 5*time.Second, l.lag(feedback.Report{Came: late, Highest: number(first + i)}), float64(time.Second))
	}
	half := feedback.Report{Came: late, Highest: number(first + 5)}
	r.flow.Reported(half, l.lag(half), 90_000)
	require.True(t, r.flow.Behind(late.UnixNano()))
	l.fellBehind(late)
	require.Zero(t, l.lag(feedback.Report{Came: late, Highest: number(first + 5)}), "it waits already")
}

func TestSenderReports(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.packets(true, 4)
	list := []*receiver{b.watch(chromiumOffer), b.watch(chromiumOffer), b.watch(numbered())}
	b.serve()
	for _, r := range list {
		r.hear(4)
	}
	now := time.Now()
	for range reportTurns {
		b.shard.report(now)
	}
	for _, r := range list {
		sealed := make([]byte, 2048)
		require.NoError(t, r.socket.SetReadDeadline(time.Now().Add(10*time.Second)))
		n, _, err := r.socket.ReadFrom(sealed)
		require.NoError(t, err)
		plain, err := r.srtp.DecryptRTCP(nil, sealed[:n], nil)
		require.NoError(t, err)
		packets, err := rtcp.Unmarshal(plain)
		require.NoError(t, err)
		require.Len(t, packets, 2)
		l := r.lane(media.Video)
		sr := packets[0].(*rtcp.SenderReport)
		require.Equal(t, l.ssrc, sr.SSRC)
		require.EqualValues(t, 4, sr.PacketCount)
		require.EqualValues(t, l.octets, sr.OctetCount)
		require.Equal(t, media.NTP(now), sr.NTPTime)
		name := packets[1].(*rtcp.SourceDescription).Chunks[0]
		require.Equal(t, l.ssrc, name.Source)
		require.Equal(t, cname, name.Items[0].Text)
		r.silent()
		require.EqualValues(t, 4, r.Statistics().Packets)
	}
	want, err := rtcp.Marshal([]rtcp.Packet{
		&rtcp.SenderReport{SSRC: 5, NTPTime: media.NTP(now), RTPTime: 6, PacketCount: 7, OctetCount: 8},
		&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{Source: 5, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: cname}}}}},
	})
	require.NoError(t, err)
	got := appendReport(nil, &lane{ssrc: 5, packets: 7, octets: 8}, now, 6)
	require.True(t, bytes.Equal(want, got), "%x\n%x", want, got)
}
