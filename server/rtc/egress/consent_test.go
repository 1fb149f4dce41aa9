package egress

import (
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/rtc/lite"
)

// RFC 7675: nothing is sent to a viewer that has not been heard for 30 s. Its
// place in the stream is kept for as long again, and as soon as it is heard the
// pictures go on.
func TestSilentViewerKeepsItsPlace(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 3)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	v := c.viewer
	at := *v.to.Load()
	v.expire(time.Now().Add(lite.Consent + time.Second))
	require.Nil(t, v.to.Load())
	require.NoError(t, v.Reason())
	v.heard(netip.MustParseAddrPort("127.0.0.1:9"), time.Now())
	require.Nil(t, v.to.Load(), "that it is somewhere else")
	v.heard(at, time.Now())
	require.NotNil(t, v.to.Load())
	for len(c.packets) > 0 {
		<-c.packets
	}
	s.frame(true, 3)
	c.next(t)

	v.expire(time.Now().Add(lite.Patience + time.Second))
	<-v.Done()
	require.ErrorIs(t, v.Reason(), ErrLost)
	_, err = v.RestartICE(lite.Credentials{})
	require.ErrorIs(t, err, ErrLost)
}

// One that never connected is not kept.
func TestUnconnectedViewerIsGivenUp(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 1)
	sub, err := s.hub.Watch(t.Context(), watchGrant)
	require.NoError(t, err)
	v, _, err := s.engine.Watch(sub, offered(t, chromiumOffer))
	require.NoError(t, err)
	v.expire(time.Now())
	require.NoError(t, v.Reason())
	v.expire(time.Now().Add(connectTimeout + time.Second))
	require.ErrorIs(t, v.Reason(), ErrUnconnected)
}

// Whoever sets the machine's clock, or wakes it from a sleep, ends no session.
func TestClockThatIsSetEndsNobody(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 3)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	for _, step := range []time.Duration{time.Hour, -time.Hour} {
		c.viewer.expire(setBy(time.Now(), step))
		require.NotNil(t, c.viewer.to.Load())
		require.NoError(t, c.viewer.Reason())
	}
	c.viewer.heard(*c.viewer.to.Load(), setBy(time.Now(), time.Hour))
	c.viewer.expire(time.Now().Add(lite.Patience + time.Second))
	require.ErrorIs(t, c.viewer.Reason(), ErrLost)
}

// setBy returns what time.Now would have returned had the clock been set by a
// step meanwhile: time.Time holds the seconds of the wall clock above 30 bits of
// nanoseconds, and apart from them the monotonic clock, which nobody sets.
func setBy(now time.Time, step time.Duration) time.Time {
	*(*int64)(unsafe.Pointer(&now)) += int64(step/time.Second) << 30
	return now
}

// thief is a session to which another's datagrams come.
type thief struct{ came atomic.Int32 }

func (t *thief) Receive([]byte, netip.AddrPort) { t.came.Add(1) }

// Whoever has a session of its own can forge a check that seems to come from a
// viewer's address. It does not get what the viewer reports and asks for.
func TestViewerTakesItsAddressBack(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.frame(true, 3)
	c, err := s.watch()
	require.NoError(t, err)
	c.next(t)
	p, other, asked := s.engine.port, &thief{}, s.engine.count.keyframes
	require.NoError(t, p.Register("thief", other))
	before := asked.Value()
	p.Learn(*c.viewer.to.Load(), "thief")
	c.viewer.expire(time.Now())
	taken := other.came.Load()
	require.NoError(t, c.pc.WriteRTCP([]rtcp.Packet{pli()}))
	require.Eventually(t, func() bool { return asked.Value() > before }, 10*time.Second, time.Millisecond)
	require.Equal(t, taken, other.came.Load())
}
