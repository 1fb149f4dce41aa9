package auth_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/auth"
)

// clock is a time that tests move.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

func newClock(s *auth.Service) *clock {
	c := &clock{t: time.Now()}
	s.SetClock(c.now)
	return c
}

// address returns the n-th of many addresses that belong to different people.
func address(n int) netip.Addr {
	return netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
}

func signIn(t *testing.T, s *auth.Service, user, pass string, from netip.Addr) error {
	t.Helper()
	_, _, err := s.SignIn(t.Context(), auth.Credentials{User: user, Pass: pass, Addr: from})
	return err
}

func TestGuessingAnAccount(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"viewer", "nobody"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, db := newService(t, false)
			addUsers(t, db)
			time := newClock(s)
			for i := range 1000 {
				want := auth.ErrUnauthenticated
				if i >= 5 {
					want = auth.ErrThrottled // and no work is done for it
				}
				require.ErrorIs(t, signIn(t, s, name, "wrong", address(i)), want, "attempt %d", i)
			}
			require.ErrorIs(t, signIn(t, s, name, password, address(5000)), auth.ErrThrottled, "no oracle for the right password")
			require.NoError(t, signIn(t, s, "publisher", password, address(5000)), "others are not concerned")
			time.t = time.t.Add(61e9)
			if name == "viewer" {
				require.NoError(t, signIn(t, s, name, password, address(5000)))
			} else {
				require.ErrorIs(t, signIn(t, s, name, password, address(5000)), auth.ErrUnauthenticated)
			}
		})
	}
}

func TestGuessingFromAnAddress(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	addUsers(t, db)
	key, err := s.NewKey(t.Context(), "harbour", nil)
	require.NoError(t, err)
	time := newClock(s)
	one := netip.MustParseAddr("2001:db8:1:2::1")
	neighbour := netip.MustParseAddr("2001:db8:1:2:ffff::9") // of the same /64
	for i := range 30 {
		want := auth.ErrUnauthenticated
		if i >= 20 {
			want = auth.ErrThrottled
		}
		require.ErrorIs(t, s.Bearer(t.Context(), "hk_guess", one), want, "attempt %d", i)
	}
	require.ErrorIs(t, signIn(t, s, "viewer", password, neighbour), auth.ErrThrottled)
	require.NoError(t, s.Bearer(t.Context(), key, one), "a right key is never locked out")
	require.NoError(t, signIn(t, s, "viewer", password, somewhere))
	time.t = time.t.Add(61e9)
	require.NoError(t, signIn(t, s, "viewer", password, neighbour))
}

func TestRightPasswordsAreNotCounted(t *testing.T) {
	t.Parallel()
	s, db := newService(t, false)
	addUsers(t, db)
	newClock(s)
	for range 8 {
		require.NoError(t, signIn(t, s, "viewer", password, somewhere))
	}
}
