package app_test

import (
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/config"
)

// udpPorts is what "ss -lunp" says of this process: how many UDP sockets it has
// on each port.
func udpPorts(t *testing.T) map[int]int {
	t.Helper()
	ours := map[string]bool{}
	links, err := filepath.Glob("/proc/self/fd/*")
	require.NoError(t, err)
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil { // else closed meanwhile
			ours[to] = true
		}
	}
	ports := map[int]int{}
	for _, table := range []string{"/proc/self/net/udp", "/proc/self/net/udp6"} {
		text, err := os.ReadFile(table)
		if os.IsNotExist(err) {
			continue // no IPv6 here
		}
		require.NoError(t, err)
		for _, line := range strings.Split(string(text), "\n")[1:] {
			f := strings.Fields(line)
			if len(f) < 10 || !ours[fmt.Sprintf("socket:[%s]", f[9])] {
				continue
			}
			_, number, _ := strings.Cut(f[1], ":")
			b, err := hex.DecodeString(number)
			require.NoError(t, err)
			ports[int(b[0])<<8|int(b[1])]++
		}
	}
	return ports
}

// However many publish and watch by the relay, the server has no UDP socket but
// those of its one port.
func TestOneUDPPort(t *testing.T) { // alone: others have sockets too
	before := udpPorts(t)
	set := settings(t.TempDir())
	set.Open = true
	cert, key := certificate(t)
	set.TLS = config.TLS{Certificate: cert, Key: key}
	set.Encoders = config.Encoders{RTMP: "127.0.0.1:0"}
	l := start(t, set)
	l.hospitable(t)
	u, err := url.Parse(l.url)
	require.NoError(t, err)
	one, err := strconv.Atoi(u.Port())
	require.NoError(t, err)
	for i, w := range relays() {
		stream := "relayed" + strconv.Itoa(i)
		l.publish(t, w.client(t, l), stream)
		l.watch(t, w.client(t, l), stream)
		l.watch(t, w.client(t, l), stream)
	}
	require.Equal(t, 6, l.count(t, "heliograph_turn_allocations"))
	now := udpPorts(t)
	require.Positive(t, now[one])
	delete(now, one)
	for port, sockets := range now {
		require.LessOrEqual(t, sockets, before[port], port)
	}
}
