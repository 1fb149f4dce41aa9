package netguard

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhy(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want Reason
	}{
		{nil, Other},
		{errors.New("x"), Other},
		{&net.OpError{Op: "dial", Err: fmt.Errorf("%w: own", ErrRefused)}, Refusal},
		{&net.DNSError{IsNotFound: true}, Unknown},
		{&net.DNSError{IsTimeout: true}, Silent},
		{&net.OpError{Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, Closed},
		{syscall.ENETUNREACH, NoWay},
		{context.DeadlineExceeded, Silent},
		{os.ErrDeadlineExceeded, Silent},
		{syscall.ETIMEDOUT, Silent},
		{fmt.Errorf("reading: %w", io.EOF), Broken},
		{syscall.ECONNRESET, Broken},
	} {
		require.Equal(t, c.want, Why(c.err), "%v", c.err)
	}
}
