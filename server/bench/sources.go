package bench

import (
	"net/netip"
	"runtime"
)

// perSource is how many relayed viewers come from one address. TURN servers
// allow few allocations to one address and few new ones in a second; a load that
// comes from a single one would measure that limit.
const perSource = 8

// loopbackSource is the address of the loopback that viewer i of so many comes
// from, in turn, so that those who join together have different ones. On Linux
// the whole of 127.0.0.0/8 is the machine's own; elsewhere there is only one.
func loopbackSource(i, viewers int) netip.Addr {
	if runtime.GOOS != "linux" {
		return netip.Addr{}
	}
	n := i % ((viewers + perSource - 1) / perSource)
	return netip.AddrFrom4([4]byte{127, 1, byte(n / 250), byte(1 + n%250)})
}
