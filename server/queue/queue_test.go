package queue_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/heliograph/heliograph/server/queue"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func drain(t *testing.T, q *queue.Queue[int]) []int {
	t.Helper()
	q.Close()
	var got []int
	for {
		v, err := q.Pop(t.Context())
		if err != nil {
			require.ErrorIs(t, err, queue.ErrClosed)
			return got
		}
		got = append(got, v)
	}
}

func TestFull(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		queue   *queue.Queue[int]
		want    []int
		dropped uint64
	}{
		{"refuse keeps the old", queue.New[int](3), []int{1, 2, 3}, 2},
		{"drop oldest keeps the new", queue.NewDropOldest[int](3), []int{3, 4, 5}, 2},
		{"a size below one is one", queue.New[int](0), []int{1}, 4},
		{"room for all", queue.New[int](5), []int{1, 2, 3, 4, 5}, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lost := uint64(0)
			for v := 1; v <= 5; v++ {
				if !c.queue.Push(v) {
					lost++
				}
			}
			require.Equal(t, c.want, drain(t, c.queue))
			require.Equal(t, c.dropped, c.queue.Dropped())
			require.Equal(t, c.dropped, lost)
		})
	}
}

func TestPushAfterCloseIsCounted(t *testing.T) {
	t.Parallel()
	q := queue.NewDropOldest[int](2)
	q.Close()
	q.Close()
	require.False(t, q.Push(1))
	require.Equal(t, uint64(1), q.Dropped())
	_, err := q.Pop(t.Context())
	require.ErrorIs(t, err, queue.ErrClosed)
}

func TestPopEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := queue.New[int](1).Pop(ctx)
	require.ErrorIs(t, err, context.Canceled)
}

// Every value arrives exactly once, and Close wakes all that wait.
func TestManyConsumers(t *testing.T) {
	t.Parallel()
	const values = 1000
	q := queue.New[int](values)
	var mu sync.Mutex
	seen := make(map[int]int)
	var consumers sync.WaitGroup
	for range 4 {
		consumers.Go(func() {
			for {
				v, err := q.Pop(context.Background())
				if err != nil {
					return
				}
				mu.Lock()
				seen[v]++
				mu.Unlock()
			}
		})
	}
	for v := range values {
		q.Push(v)
	}
	q.Close()
	consumers.Wait()
	require.Len(t, seen, values)
	for v, n := range seen {
		require.Equal(t, 1, n, "value %d", v)
	}
}

// The queue behaves like a slice with a limit, whatever the order of calls.
func TestAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 5).Draw(t, "size")
		q, model := queue.NewDropOldest[int](size), []int{}
		for i := range rapid.IntRange(0, 40).Draw(t, "calls") {
			if len(model) > 0 && rapid.Bool().Draw(t, "pop") {
				v, err := q.Pop(context.Background())
				require.NoError(t, err)
				require.Equal(t, model[0], v)
				model = model[1:]
				continue
			}
			require.Equal(t, len(model) < size, q.Push(i))
			model = append(model, i)
			model = model[max(0, len(model)-size):]
		}
	})
}

func TestPushAndPopAllocateNothing(t *testing.T) {
	q, ctx := queue.NewDropOldest[[]byte](4), context.Background()
	value := make([]byte, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		q.Push(value)
		_, _ = q.Pop(ctx)
	}))
}
