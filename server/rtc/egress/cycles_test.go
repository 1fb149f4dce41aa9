package egress

import (
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Viewers that come and go leave nothing behind: no goroutine, no memory, no
// place in a table. It does not run beside other tests, which would be counted.
func TestFourHundredViewersComeAndGo(t *testing.T) {
	s := newStage(t)
	s.frame(true, 3)
	s.comeAndGo(t, 40)
	goroutines, heap := footprint()
	s.comeAndGo(t, 400)
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= goroutines+5 }, 10*time.Second, 10*time.Millisecond, "goroutines")
	_, after := footprint()
	require.Less(t, after, heap+4<<20, "bytes of heap")
	require.Equal(t, 0, s.hub.Info("harbour").Viewers)
	require.Empty(t, s.engine.all())
}

// comeAndGo has n viewers join, see a packet and leave, eight at a time.
func (s *stage) comeAndGo(t *testing.T, n int) {
	t.Helper()
	var workers sync.WaitGroup
	for worker := range 8 {
		workers.Go(func() {
			for i := range n / 8 {
				t.Run(strconv.Itoa(worker*n+i), func(t *testing.T) {
					own := *s
					own.t = t // so that nothing of this viewer is kept until the end
					c, err := own.watch()
					require.NoError(t, err)
					c.next(t)
					require.NoError(t, c.pc.GracefulClose())
					<-c.viewer.Done()
				})
			}
		})
	}
	workers.Wait()
}

// footprint returns goroutines and bytes of heap in use.
func footprint() (goroutines int, heap uint64) {
	runtime.GC()
	runtime.GC() // pools give up what they hold only the second time
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return runtime.NumGoroutine(), m.HeapAlloc
}
