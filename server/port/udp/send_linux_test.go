package udp

import (
	"bytes"
	"net/netip"
	"strconv"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The kernel's refusals: one alone costs only its call, a long row of them
// switches cutting off, and then it is tried again from time to time: all of
// them may have been due to the path of one client.
func TestCuttingEndsAndBegins(t *testing.T) {
	t.Parallel()
	for _, cause := range []syscall.Errno{syscall.EINVAL, syscall.EMSGSIZE, syscall.EIO} {
		s := open(t, "udp4", "127.0.0.1", 1)[0]
		if !s.Cuts() {
			t.Skip("this kernel does not cut segments")
		}
		c := dial(t, s)
		s.cut.refuse(cause)
		require.True(t, s.Cuts())
		sendWhole(t, s, c, 1, 2)
		require.Zero(t, s.cut.refused.Load(), "a success ends the row")
		for range refusedOff {
			s.cut.refuse(cause)
		}
		require.False(t, s.Cuts())
		require.EqualValues(t, 1, s.count.Uncuts.Value())
		sendWhole(t, s, c, 1, 2)
		require.False(t, s.Cuts())
		for range tryEvery {
			sendWhole(t, s, c, 1, 2)
		}
		require.True(t, s.Cuts())
	}
}

// A kernel that really refuses, here because the sockets leave out checksums,
// costs no datagram: those of each call go one by one, and after a row of
// refusals no socket of the address asks again.
func TestRefusingKernelLosesNothing(t *testing.T) {
	t.Parallel()
	sockets := open(t, "udp4", "127.0.0.1", 3)
	if !sockets[0].Cuts() {
		t.Skip("this kernel does not cut segments")
	}
	for _, s := range sockets {
		require.NoError(t, s.raw.Control(func(fd uintptr) {
			require.NoError(t, unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_NO_CHECK, 1))
		}))
	}
	c := dial(t, sockets[0])
	for call := range refusedOff + 10 {
		var b []byte
		for i := range 8 {
			b = append(b, bytes.Repeat([]byte(strconv.Itoa(i)), 1200)...)
		}
		b = b[:len(b)-100]
		s := sockets[call%len(sockets)]
		require.NoError(t, s.SendSegments(netip.Addr{}, b, 1200, local(c)))
		var got []byte
		for range 8 {
			got = append(got, read(t, c)...)
		}
		require.Equal(t, b, got)
		require.Equal(t, call < refusedOff-1, s.Cuts())
	}
	require.EqualValues(t, 1, sockets[0].count.Uncuts.Value(), "once for all sockets")
}

func TestFullSocket(t *testing.T) {
	t.Parallel()
	s := open(t, "udp4", "127.0.0.1", 1)[0]
	require.ErrorIs(t, s.outcome(syscall.EAGAIN), ErrCongested)
	require.ErrorIs(t, s.outcome(syscall.ENOBUFS), ErrCongested)
	require.EqualValues(t, 2, s.count.Full.Value())
	require.ErrorIs(t, s.outcome(syscall.EPERM), syscall.EPERM)
}

func TestSendAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector a sync.Pool forgets at random")
	}
	b := make([]byte, 12000)
	for _, host := range []string{"", "127.0.0.1"} {
		s := open(t, "udp", host, 1)[0]
		to := local(dial(t, s))
		for name, send := range map[string]func(){
			"one":  func() { _ = s.Send(netip.Addr{}, b[:1200], to) },
			"ten":  func() { _ = s.SendSegments(netip.Addr{}, b, 1200, to) },
			"each": func() { _ = s.sendEach(b, 1200, way{to: to}) },
		} {
			require.Zero(t, testing.AllocsPerRun(200, send), "%q %s", host, name)
		}
	}
}
