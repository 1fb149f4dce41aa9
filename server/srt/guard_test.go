package srt

import (
	"testing"
	"time"

	gosrt "github.com/datarhei/gosrt"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
)

// A stranger who plays could make the library hold what he sends, and look
// through it every 10 ms, for as long as he likes.
func TestPlayerThatSendsIsClosed(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	p, err := h.hub.Publish(auth.System(auth.Publish, "film"), source{&session{}}, hub.Options{})
	require.NoError(t, err)
	defer p.Close(hub.ErrEnded)
	_, err = p.AddTrack(media.Audio, media.Codec{Name: media.Opus, ClockRate: opusRate, Channels: 2})
	require.NoError(t, err)
	x, _ := h.caller("read:film", "")
	for range 3 * maxStray {
		require.NoError(t, x.write([]byte("no media")))
	}
	h.logged("playing ended", errTalks.Error())
}

// What a player answers is seen, so that one who answers is not taken for deaf.
func TestAnswersAreSeen(t *testing.T) {
	t.Parallel()
	h := newHouse(t, true, "")
	_, _ = h.caller("publish:harbour", "")
	require.Eventually(t, func() bool {
		all := h.srv.sessions.all()
		return len(all) == 1 && all[0].answered.Load() > 0
	}, waitAtMost, 5*time.Millisecond)
}

func TestWatchdog(t *testing.T) {
	t.Parallel()
	type look struct {
		sent, resent, acks, heard uint64
		answered                  uint64
	}
	for name, c := range map[string]struct {
		publishes bool
		looks     []look
		want      error
	}{
		"plays": {looks: []look{{sent: 80, acks: 20, answered: 10}, {sent: 160, acks: 10_000, answered: 9_900}}},
		"an outage": {looks: []look{
			{sent: 4000}, {sent: 8000, resent: 4000}, {sent: 8400, resent: 8000}, {sent: 8800, resent: 12_000}, {sent: 20_000, resent: 12_000},
		}},
		"asks for all at once":       {looks: []look{{sent: 100, resent: maxResent + 1}}, want: errResend},
		"asks for more than is sent": {looks: []look{{80, 4900, 0, 0, 0}, {160, 9800, 0, 0, 0}, {240, 14_700, 0, 0, 0}, {320, 19_600, 0, 0, 0}, {400, 24_500, 0, 0, 0}}, want: errResend},
		"sends media":                {looks: []look{{heard: maxStray + 1}}, want: errTalks},
		"publishes":                  {publishes: true, looks: []look{{heard: 100_000, acks: 10_000}}},
		"answers nothing":            {looks: []look{{acks: unanswered + 1}}, want: errDeaf},
		"answers only the oldest":    {looks: []look{{acks: 100, answered: 1}, {acks: unanswered + 100, answered: 2}}, want: errDeaf},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w watched
			var err error
			for _, l := range c.looks {
				require.NoError(t, err)
				st := gosrt.Statistics{Accumulated: gosrt.StatisticsAccumulated{
					PktSentUnique: l.sent, PktRetrans: l.resent, PktSentACK: l.acks, PktRecv: l.heard,
				}}
				err = w.look(&st, !c.publishes, l.answered)
			}
			require.ErrorIs(t, err, c.want)
		})
	}
}
