package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPartsStopInOrder(t *testing.T) {
	t.Parallel()
	var order []string
	runner := func(name string) part {
		return part{name, runnerFunc(func(ctx context.Context) error {
			<-ctx.Done()
			order = append(order, name) // no lock: one ends before the next is told
			return nil
		})}
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := start(ctx, []part{runner("web"), runner("rtc"), runner("hub")})
	cancel()
	require.NoError(t, r.wait(ctx))
	require.NoError(t, r.stop())
	require.Equal(t, []string{"web", "rtc", "hub"}, order)
}

func TestPartThatFailsEndsTheServer(t *testing.T) {
	t.Parallel()
	broken := errors.New("the socket is gone")
	r := start(t.Context(), []part{
		{"hub", runnerFunc(func(ctx context.Context) error { <-ctx.Done(); return nil })},
		{"port", runnerFunc(func(context.Context) error { return broken })},
	})
	err := r.wait(t.Context())
	require.ErrorIs(t, err, broken)
	require.ErrorIs(t, err, ErrEnded)
	require.ErrorContains(t, err, "port")
	require.NoError(t, r.stop(), "the others stop as always")
}

func TestPartThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		told := make(chan struct{})
		r := start(t.Context(), []part{
			{"stuck", runnerFunc(func(context.Context) error { <-release; return nil })},
			{"after", runnerFunc(func(ctx context.Context) error { <-ctx.Done(); close(told); return nil })},
		})
		begin := time.Now()
		require.ErrorIs(t, r.stop(), ErrShutdown)
		require.Equal(t, shutdownTime, time.Since(begin))
		<-told
		close(release)
	})
}
