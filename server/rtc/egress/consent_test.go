package egress

import (
	"testing"
	"time"

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
	v.expire(time.Now().Add(lite.Consent + time.Second))
	require.Nil(t, v.to.Load())
	require.NoError(t, v.Reason())
	v.heard(time.Now())
	require.NotNil(t, v.to.Load())
	for len(c.packets) > 0 {
		<-c.packets
	}
	s.frame(true, 3)
	c.next(t)

	v.expire(time.Now().Add(lite.Patience + time.Second))
	<-v.Done()
	require.ErrorIs(t, v.Reason(), ErrLost)
	_, err = v.RestartICE()
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
