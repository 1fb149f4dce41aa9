package rtc

import (
	"net/netip"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// present is an endpoint that is connected or not.
type present struct {
	endpoint
	connected bool
}

func (p present) Connected() bool { return p.connected }

// A school behind one address may watch; what only pretends to is bounded.
func TestManyViewersBehindOneAddress(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		connected bool
		most      int
	}{"connected": {true, maxPerAddress}, "never connected": {false, maxConnecting}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRegistry()
			r.open()
			addr := netip.MustParseAddr("203.0.113.7")
			for i := range c.most {
				_, err := r.reserve("", addr)
				require.NoError(t, err, i)
				r.add(&session{id: strconv.Itoa(i), addr: addr, media: present{connected: c.connected}})
			}
			_, err := r.reserve("", addr)
			require.ErrorIs(t, err, ErrTooMany)
			_, err = r.reserve("", netip.MustParseAddr("203.0.113.8"))
			require.NoError(t, err, "another address")
		})
	}
}
