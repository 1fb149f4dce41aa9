package port

import (
	"bytes"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
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

// A kernel that really refuses, here because the sockets leave out checksums,
// costs no datagram: those of each call go one by one, and after a row of
// refusals no socket of the port asks again.
func TestRefusingKernelLosesNothing(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	segments := p.senders[0].socket.segments
	if !segments.on.Load() {
		t.Skip("this kernel does not cut segments")
	}
	for _, s := range p.senders {
		require.NoError(t, s.socket.raw.Control(func(fd uintptr) {
			require.NoError(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
		}))
	}
	c := dial(t, p)
	for call := range refusedOff + 10 {
		var b []byte
		for i := range 8 {
			b = append(b, bytes.Repeat([]byte(strconv.Itoa(i)), 1200)...)
		}
		b = b[:len(b)-100]
		require.NoError(t, p.Sender(call).SendSegments(b, 1200, local(c)))
		var got []byte
		for range 8 {
			got = append(got, read(t, c)...)
		}
		require.Equal(t, b, got)
		require.Equal(t, call < refusedOff-1, segments.on.Load())
	}
	require.EqualValues(t, 1, p.count.gsoOff.Value(), "once for all sockets")
}
