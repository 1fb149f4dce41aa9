package feedback

import (
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// FuzzFeedback feeds decrypted RTCP of a viewer to all that reads it. What pion
// reads as well must be read alike.
func FuzzFeedback(f *testing.F) {
	for _, b := range feedbackSeeds(f) {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > 1500 {
			return
		}
		now := time.Unix(1_790_000_000, 0)
		f := fedFlow(now)
		d := Demand{}
		err := Read(b, func(m Message) {
			switch m.Kind {
			case Keyframe:
				d.Keyframes++
			case Lost:
				d.Lost += len(m.Body) / 4
			case Numbered:
				_ = f.Acknowledge(m.Body, now.UnixNano())
			case Block:
				f.Reported(ReadReport(m.Body, now), 0, 90_000)
			}
		})
		require.LessOrEqual(t, f.acked, f.next)
		require.LessOrEqual(t, f.meter.count, int64(f.next))
		f.Behind(now.UnixNano())
		f.Show()
		require.GreaterOrEqual(t, f.Statistics().RoundTrip, time.Duration(0))
		if err == nil {
			compare(t, b, d)
		}
	})
}

// compare holds a packet that we took against the library's reading of it, if
// that reads it at all: it knows more kinds, and refuses some nonsense in those
// that we pass over.
func compare(t *testing.T, b []byte, d Demand) {
	for rest := b; len(rest) > 0; { // what would have the library make lists of millions
		h, body, after, err := cut(rest)
		require.NoError(t, err)
		if rest = after; h.Type == rtcp.TypeTransportSpecificFeedback && h.Count == rtcp.FormatTCC {
			if a, err := parseArrivals(body); err != nil || a.count > 4096 {
				return
			}
		}
	}
	packets, err := rtcp.Unmarshal(b)
	if err != nil {
		return
	}
	var theirs Demand
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			theirs.Keyframes++
		case *rtcp.TransportLayerNack:
			theirs.Lost += len(p.Nacks)
		case *rtcp.TransportLayerCC:
			raw, err := p.Marshal()
			if err != nil {
				continue
			}
			if a, err := parseArrivals(raw[4:]); err == nil {
				numbers, times := byLibrary(p)
				var ours []uint16
				var at []uint32
				a.each(func(n uint16, u uint32) { ours, at = append(ours, n), append(at, u) })
				require.Equal(t, numbers, ours)
				require.Equal(t, times, at)
			}
		}
	}
	require.Equal(t, theirs, d)
}

// fedFlow was sent 300 packets.
func fedFlow(now time.Time) *Flow {
	f := &Flow{}
	f.Track()
	for i := range 300 {
		f.Sent(1000, now.Add(time.Duration(i-300)*time.Millisecond).UnixNano())
	}
	return f
}

// feedbackSeeds are packets of players, and what hostile ones make of them.
func feedbackSeeds(tb testing.TB) [][]byte {
	tb.Helper()
	packets := [][]rtcp.Packet{
		{&rtcp.ReceiverReport{SSRC: 9, Reports: []rtcp.ReceptionReport{
			{SSRC: 1, FractionLost: 200, TotalLost: 7, LastSequenceNumber: 1 << 16, Jitter: 90, LastSenderReport: 1, Delay: 1}, {SSRC: 2},
		}}, &rtcp.TransportLayerNack{MediaSSRC: 1, Nacks: []rtcp.NackPair{{PacketID: 65_535, LostPackets: 0xffff}}}},
		{&rtcp.SenderReport{SSRC: 9, Reports: []rtcp.ReceptionReport{{SSRC: 1}}}, &rtcp.PictureLossIndication{MediaSSRC: 1}},
		{&rtcp.FullIntraRequest{MediaSSRC: 1, FIR: []rtcp.FIREntry{{SSRC: 1, SequenceNumber: 1}}}, &rtcp.Goodbye{Sources: []uint32{9}, Reason: "so long"}},
		{&rtcp.ReceiverEstimatedMaximumBitrate{Bitrate: 1e6, SSRCs: []uint32{1}}, &rtcp.ExtendedReport{SenderSSRC: 9}},
	}
	var seeds [][]byte
	for _, p := range packets {
		b, err := rtcp.Marshal(p)
		require.NoError(tb, err)
		seeds = append(seeds, b, b[:len(b)-5])
		lying := append([]byte(nil), b...)
		lying[3]++
		seeds = append(seeds, lying, append([]byte{b[0] | 0x1f}, b[1:]...), append([]byte{b[0] | 0x20}, b[1:]...))
	}
	wrap := func(body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		return append([]byte{0x8f, 205, byte(len(body) / 4 >> 8), byte(len(body) / 4)}, body...)
	}
	return append(seeds, nil, []byte{0x80}, []byte{0x80, 201, 0xff, 0xff, 0, 0, 0, 1},
		wrap(feedbackBody(290, 10, []uint16{1<<13 | 10}, 10)),
		wrap(feedbackBody(65_530, 30, []uint16{0xbfff, 6, 1<<13 | 10}, 30)),
		wrap(feedbackBody(0, 65_535, []uint16{8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191, 7}, 0)),
		wrap(feedbackBody(0, 65_535, []uint16{0x3fff, 0x3fff, 0x3fff, 0x3fff, 0x3fff, 0x3fff, 0x3fff, 0x3fff, 0xbfff}, 0)),
		wrap(feedbackBody(1, 600, make([]uint16, 300), 0)),
		wrap(feedbackBody(1, 9, []uint16{3<<13 | 9}, 9)),
		wrap(feedbackBody(1, 7, []uint16{0xc000 | 1<<12 | 2<<10 | 3}, 9)))
}
