package port

import (
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// The kernel's refusals: one alone costs only its call, a card that cannot cut
// or a long row of them switches segmentation off.
func TestGSOFallsBack(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	s := p.senders[0].socket.segments
	if !s.on.Load() {
		t.Skip("this kernel does not cut segments")
	}
	c := dial(t, p)
	s.refuse(syscall.EINVAL)
	require.True(t, s.on.Load())
	require.NoError(t, p.SendSegments([]byte("ab"), 1, local(c)))
	require.Zero(t, s.refused.Load(), "a success ends the row")
	require.Equal(t, "ab", read(t, c)+read(t, c))
	for range refusedOff {
		s.refuse(syscall.EINVAL)
	}
	require.False(t, s.on.Load())
	require.EqualValues(t, 1, p.count.gsoOff.Value())
	require.NoError(t, p.SendSegments([]byte("cd"), 1, local(c)))
	require.Equal(t, "cd", read(t, c)+read(t, c))
	s.on.Store(true)
	s.refuse(syscall.EIO)
	require.False(t, s.on.Load(), "EIO is for good")
}

func TestFullSocket(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	require.ErrorIs(t, p.senders[0].socket.outcome(syscall.EAGAIN), ErrCongested)
	require.ErrorIs(t, p.senders[0].socket.outcome(syscall.ENOBUFS), ErrCongested)
	require.EqualValues(t, 2, p.count.sendFull.Value())
	require.ErrorIs(t, p.senders[0].socket.outcome(syscall.EPERM), syscall.EPERM)
}
