package rtsp

import (
	"regexp"
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
