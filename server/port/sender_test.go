package port

import (
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever socket an answer leaves by, the client hears it from the address it
// asked.
func TestEverySenderReachesEveryClient(t *testing.T) {
	t.Parallel()
	p, clients := ends(t)
	for _, c := range clients {
		for i := range 2 * p.Sockets() {
			text := strconv.Itoa(i)
			require.NoError(t, p.Sender(i).Send([]byte(text), local(c)))
			require.Equal(t, text, read(t, c))
			require.NoError(t, p.Sender(i).SendSegments([]byte("aabbc"), 2, local(c)))
			require.Equal(t, "aa bb c", strings.Join([]string{read(t, c), read(t, c), read(t, c)}, " "))
		}
	}
}

func TestEverySenderReachesTheRelay(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	c, virtual := allocate(t, p)
	b := make([]byte, 10)
	for i := range p.Sockets() {
		require.NoError(t, p.Sender(i).Send([]byte("one"), virtual))
		require.NoError(t, p.Sender(i).SendSegments([]byte("two3"), 3, virtual))
		for _, want := range []string{"one", "two", "3"} {
			n, _, err := c.ReadFrom(b)
			require.NoError(t, err)
			require.Equal(t, want, string(b[:n]))
		}
	}
}

// Many clients at once: each datagram arrives once, is counted once and is in
// the order of its client, and every client's plain request is answered.
func TestManyClients(t *testing.T) {
	t.Parallel()
	const clients, each = 60, 40
	p := open(t, "127.0.0.1:0")
	in := make(inbox, clients*each)
	require.NoError(t, p.Register("ours", in))
	require.NoError(t, p.Register("other", in))
	var wg sync.WaitGroup
	conns := make([]*net.UDPConn, clients)
	for i := range conns {
		conns[i] = dial(t, p)
	}
	for i, c := range conns {
		p.Learn(local(c), []string{"ours", "other"}[i/maxAddrs%2])
	}
	learned := p.sessions.size()
	for _, c := range conns {
		wg.Go(func() {
			for n := range each {
				_, _ = c.Write([]byte{0x80, 96, 0, byte(n)})
			}
		})
	}
	wg.Wait()
	eventually(t, "all counted", func() bool { return p.count.media.Value() == clients*each })
	eventually(t, "the unknown too", func() bool {
		return p.count.unknown.Value() == uint64((clients-learned)*each) && len(in) == learned*each
	})
	next := map[string]byte{}
	for range learned * each {
		g := in.next(t)
		require.Equal(t, next[g.from.String()], g.b[3])
		next[g.from.String()]++
	}
	for _, c := range conns[:stunPerSource/2] {
		_, _ = c.Write(stunMessage(0x0001))
		require.Equal(t, ClassICE, ClassifyUDP([]byte(read(t, c))))
	}
}
