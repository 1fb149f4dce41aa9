package client

import (
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const print256 = "00:11:22:33"

func answerText(change ...string) string {
	text := strings.Join([]string{
		"v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0", "a=fingerprint:sha-256 " + print256, "a=ice-lite",
		"m=video 9 UDP/TLS/RTP/SAVPF 102", "c=IN IP4 0.0.0.0", "a=mid:0", "a=ice-ufrag:user", "a=ice-pwd:secret", "a=setup:passive",
		"a=rtcp-rsize", "a=extmap:3 " + transportCC,
		"a=candidate:1 1 udp 2130706431 192.0.2.7 4000 typ host",
		"a=candidate:2 1 tcp 1671430143 192.0.2.7 4000 typ host tcptype passive",
		"a=candidate:3 1 udp 2130706431 2001:db8::7 4000 typ host",
		"a=candidate:4 1 udp 2130706431 host.local 4000 typ host",
		"m=audio 0 UDP/TLS/RTP/SAVPF 0", "c=IN IP4 0.0.0.0", "a=mid:1", "",
	}, "\r\n")
	return strings.NewReplacer(change...).Replace(text)
}

func TestReadAnswer(t *testing.T) {
	t.Parallel()
	v4, v6 := netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("::1")
	a, err := readAnswer(answerText(), v4)
	require.NoError(t, err)
	assert.Equal(t, "user", a.remote.ufrag)
	assert.Equal(t, print256, a.print)
	assert.False(t, a.active)
	assert.True(t, a.reducedSize)
	assert.Equal(t, uint8(3), a.transportCC)
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("192.0.2.7:4000")}, a.addresses)

	a, err = readAnswer(answerText("setup:passive", "setup:active", "a=rtcp-rsize\r\n", "", "a=extmap:3 ", "a=extmap:99 "), v6)
	require.NoError(t, err)
	assert.True(t, a.active)
	assert.False(t, a.reducedSize)
	assert.Zero(t, a.transportCC)
	assert.Equal(t, []netip.AddrPort{netip.MustParseAddrPort("[2001:db8::7]:4000")}, a.addresses)

	for name, c := range map[string]struct{ text, want string }{
		"no SDP":         {"hello", "it is no SDP"},
		"no user":        {answerText("a=ice-ufrag:user\r\n", ""), "no ICE user"},
		"all refused":    {answerText("m=video 9", "m=video 0"), "no ICE user"},
		"no fingerprint": {answerText("sha-256", "sha-1"), "no SHA-256 fingerprint"},
		"no address":     {answerText("192.0.2.7", "nowhere"), "no UDP address"},
	} {
		_, err := readAnswer(c.text, v4)
		require.ErrorIs(t, err, ErrAnswer, name)
		assert.ErrorContains(t, err, c.want, name)
		assert.NotContains(t, err.Error(), "secret", name)
	}
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(answerText())
	f.Add(answerText("192.0.2.7", "::ffff:192.0.2.7", "udp", "UDP"))
	f.Fuzz(func(t *testing.T, text string) {
		a, err := readAnswer(text, netip.MustParseAddr("127.0.0.1"))
		if err != nil {
			require.ErrorIs(t, err, ErrAnswer)
			return
		}
		require.LessOrEqual(t, len(a.addresses), maxAddresses)
		for _, addr := range a.addresses {
			require.True(t, addr.Addr().Is4())
		}
	})
}

// taker keeps what comes, with its own copy of each packet.
type taker struct {
	mu      sync.Mutex
	packets []string
	arrived []int64
	count   int
}

func (k *taker) Packet(b []byte, arrived int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.count++; k.packets != nil {
		k.packets, k.arrived = append(k.packets, string(b)), append(k.arrived, arrived)
	}
}

// openClient is a client that hands on what comes as if it had keys, and a
// connection that sends to it.
func openClient(t *testing.T, h Handler) (*Client, net.Conn) {
	t.Helper()
	id, err := NewIdentity()
	require.NoError(t, err)
	c, err := New(id, net.IPv4(127, 0, 0, 1), h)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	c.open.Store(true)
	from, err := net.Dial("udp4", c.Host().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = from.Close() })
	return c, from
}

func TestBatch(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("sockets are not read in batches here")
	}
	k := &taker{packets: []string{}}
	c, from := openClient(t, k)
	c.reading.Go(func() { c.link.read(c) })
	before := time.Now().UnixNano()
	var want []string
	send := func(n int) {
		for i := range n {
			p := string([]byte{0x80, byte(i)}) + strings.Repeat("x", 10*(i%140))
			want = append(want, p)
			_, err := from.Write([]byte(p))
			require.NoError(t, err)
		}
	}
	send(3)
	require.Eventually(t, func() bool { k.mu.Lock(); defer k.mu.Unlock(); return k.count == 3 }, 10*time.Second, time.Millisecond)
	require.True(t, c.Detach())
	send(150)
	b := NewBatch()
	for n := 0; n < 150; n += b.Read(c) { // over the loopback it is there at once
	}
	assert.Equal(t, want, k.packets, "all, whole and in order")
	for _, at := range k.arrived {
		assert.GreaterOrEqual(t, at, before)
		assert.LessOrEqual(t, at, time.Now().UnixNano())
	}
	assert.Zero(t, b.Read(c))
	c.Close()
	assert.Zero(t, b.Read(c), "closed")
}

func TestBatchAllocatesNothing(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sockets are not read in batches here")
	}
	k := &taker{}
	c, from := openClient(t, k)
	require.True(t, c.Detach())
	b, p := NewBatch(), append([]byte{0x80}, make([]byte, 1199)...)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for range 10 {
			_, _ = from.Write(p)
		}
		for n := 0; n < 10; n += b.Read(c) {
		}
	}))
}

func TestDropsAreCounted(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("drops are not counted here")
	}
	k := &taker{}
	c, from := openClient(t, k)
	require.NoError(t, c.link.(*socket).conn.SetReadBuffer(4096))
	require.True(t, c.Detach())
	p := append([]byte{0x80}, make([]byte, 1199)...)
	b := NewBatch()
	for range 100 {
		_, _ = from.Write(p)
	}
	got := b.Read(c)
	_, _ = from.Write(p)
	b.Read(c)
	assert.Equal(t, 100, got+int(c.Drops()))
	assert.Positive(t, c.Drops())
}

func TestFilter(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("sockets have no filters here")
	}
	k := &taker{}
	c, from := openClient(t, k)
	require.True(t, c.Detach())
	p := []byte{0x80, 1, 2}
	_, _ = from.Write(p)
	require.NoError(t, c.link.(*socket).filterAll())
	_, _ = from.Write(p)
	assert.Zero(t, NewBatch().Read(c))
}

func TestEarlyPacketsWait(t *testing.T) {
	t.Parallel()
	k := &taker{packets: []string{}}
	c, _ := openClient(t, k)
	c.open.Store(false)
	for i := range maxEarly + 10 {
		c.datagram([]byte{0x80, byte(i)}, netip.AddrPort{}, int64(i))
	}
	assert.Empty(t, k.packets)
	c.use(&keys{})
	c.datagram([]byte{0x80, 99}, netip.AddrPort{}, 99)
	require.Len(t, k.packets, maxEarly+1, "bounded")
	assert.Equal(t, "\x80\x63", k.packets[maxEarly])
	assert.Equal(t, "\x80\x01", k.packets[1])
}
