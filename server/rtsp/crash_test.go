package rtsp

import (
	"regexp"
	"strings"
	"testing"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/stretchr/testify/require"
)

// A camera whose track has no address that can be asked for must not end the
// server: the library goes on with none.
func TestPullOddControl(t *testing.T) {
	t.Parallel()
	control := regexp.MustCompile(`a=control:[^\r]*`)
	h, d := newHouse(t, false), startDevice(t, func(d *device) {
		d.pass = "s3cret"
		d.tamper = func(req *base.Request, res *base.Response) {
			if req.Method == base.Describe {
				res.Body = control.ReplaceAll(res.Body, []byte("a=control:%zz"))
			}
		}
	})
	_, ended := h.pull("cam", Source{URL: address(t, d.with("admin", "s3cret")), Transport: "tcp"})
	require.ErrorIs(t, ending(t, ended), ErrUnreachable)
}

// A description that costs the library a minute is refused before it looks.
func TestAnnounceOfBombs(t *testing.T) {
	t.Parallel()
	h := newHouse(t, false)
	const head = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
	for name, sdp := range map[string]string{
		"payload types": head + "m=video 0 RTP/AVP" + strings.Repeat(" 96", 20_000) + "\r\na=rtpmap:96 H264/90000\r\n",
		"with tabs":     head + "m=video 0 RTP/AVP" + strings.Repeat("\t96", 20_000) + "\r\na=rtpmap:96 H264/90000\r\n",
		"a hidden line": head + "m\r=video 0 RTP/AVP" + strings.Repeat(" 96", 20_000) + "\r\na=rtpmap:96 H264/90000\r\n",
		"lines":         head + "m=video 0 RTP/AVP 96\r\n" + strings.Repeat("a=fmtp:1 a\r\n", 10_000),
		"sections":      head + strings.Repeat("m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n", 2000),
	} {
		w := h.wire()
		res := w.do("ANNOUNCE", h.url+"/harbour", nil, sdp)
		require.Equal(t, base.StatusBadRequest, res.StatusCode, name)
		w.closed()
	}
}
