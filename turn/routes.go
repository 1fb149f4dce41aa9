package turn

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/stun/v4"
)

// channelHeader is the length of ChannelData before its data (RFC 8656 section
// 12.4).
const channelHeader = 4

// isChannelData tells ChannelData from STUN. Shorter than its header it is
// neither, and the gate drops it.
func isChannelData(b []byte) bool {
	return len(b) >= channelHeader && b[0] >= 0x40 && b[0] <= 0x4F
}

// routes are the channels and permissions of an allocation, as the library
// tells of them: it decides, and we only look up what it decided.
type routes struct {
	// guarded by mu
	mu       sync.Mutex
	channels []route
	permits  []netip.Addr
	// atomic
	now atomic.Pointer[table]
}

// route is a channel number bound to a peer.
type route struct {
	number uint16
	addr   netip.AddrPort
	peer   net.Addr // the same, for the library's interfaces
}

// table is what holds at one moment. It is not changed.
type table struct {
	channels []route
	permits  []netip.Addr
}

// change makes a change to the routes.
func (r *routes) change(do func(*routes)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	do(r)
	r.now.Store(&table{slices.Clone(r.channels), slices.Clone(r.permits)})
}

// bind adds a channel; mu is held.
func (r *routes) bind(number uint16, peer net.Addr) {
	r.channels = append(r.channels, route{number, clientOf(peer).addr, peer})
}

// unbind removes a channel; mu is held.
func (r *routes) unbind(number uint16) {
	r.channels = slices.DeleteFunc(r.channels, func(c route) bool { return c.number == number })
}

// permit adds an address, with any port; mu is held.
func (r *routes) permit(peer net.IP) {
	if a, ok := netip.AddrFromSlice(peer); ok {
		r.permits = append(r.permits, a.Unmap())
	}
}

// forbid removes an address; mu is held.
func (r *routes) forbid(peer net.IP) {
	a, _ := netip.AddrFromSlice(peer)
	r.permits = slices.DeleteFunc(r.permits, func(p netip.Addr) bool { return p == a.Unmap() })
}

// peer returns the peer of a channel, or nil.
func (r *routes) peer(number uint16) net.Addr {
	if t := r.now.Load(); t != nil {
		for i := range t.channels {
			if t.channels[i].number == number {
				return t.channels[i].peer
			}
		}
	}
	return nil
}

// header returns how a datagram of a peer is brought to the client: by its
// channel or else in a Data indication, and false when the client has permitted
// neither.
func (r *routes) header(peer netip.AddrPort) (h header, ok bool) {
	t := r.now.Load()
	if t == nil {
		return header{}, false
	}
	for i := range t.channels {
		if t.channels[i].addr == peer {
			return header{channel: t.channels[i].number}, true
		}
	}
	return header{peer: peer}, slices.Contains(t.permits, peer.Addr())
}

// header is what stands before a datagram on its way to the client: that of a
// channel, or when that is 0 of a Data indication (RFC 8656 section 11.6).
type header struct {
	channel uint16
	peer    netip.AddrPort
}

// The parts of a Data indication: STUN's header, XOR-PEER-ADDRESS, and what
// stands before the data.
const (
	stunHeader = 20
	stunCookie = 0x2112A442
	attrHeader = 4
)

// size is the length of the header.
func (h header) size() int {
	if h.channel != 0 {
		return channelHeader
	}
	return stunHeader + attrHeader + 4 + h.peer.Addr().BitLen()/8 + attrHeader
}

// frameSize is the length of a whole message with n bytes of data. ChannelData is
// padded in a stream, an indication always.
func (h header) frameSize(n int, stream bool) int {
	if h.channel != 0 && !stream {
		return channelHeader + n
	}
	return h.size() + (n+3)&^3
}

// append adds a whole message to out. id is the transaction ID of an indication,
// which nothing answers.
func (h header) append(out, b []byte, stream bool, id uint64) []byte {
	end := len(out) + h.frameSize(len(b), stream)
	if h.channel != 0 {
		out = binary.BigEndian.AppendUint16(out, h.channel)
		out = binary.BigEndian.AppendUint16(out, uint16(len(b)))
	} else {
		out = h.appendIndication(out, len(b), id)
	}
	out = append(out, b...)
	for len(out) < end {
		out = append(out, 0)
	}
	return out
}

// appendIndication adds a Data indication up to its data.
func (h header) appendIndication(out []byte, n int, id uint64) []byte {
	start := len(out)
	out = binary.BigEndian.AppendUint16(out, stun.NewType(stun.MethodData, stun.ClassIndication).Value())
	out = binary.BigEndian.AppendUint16(out, uint16(h.frameSize(n, true)-stunHeader))
	out = binary.BigEndian.AppendUint32(out, stunCookie)
	out = append(out, "data"...)
	out = binary.BigEndian.AppendUint64(out, id)
	ip := h.peer.Addr().As16()
	bytes, family := ip[:], uint16(2)
	if h.peer.Addr().Is4() {
		bytes, family = ip[12:], 1
	}
	out = binary.BigEndian.AppendUint16(out, uint16(stun.AttrXORPeerAddress))
	out = binary.BigEndian.AppendUint16(out, uint16(4+len(bytes)))
	out = binary.BigEndian.AppendUint16(out, family)
	out = binary.BigEndian.AppendUint16(out, h.peer.Port()^stunCookie>>16)
	for i, c := range bytes { // with the cookie and the transaction ID, which follow each other
		out = append(out, c^out[start+4+i])
	}
	out = binary.BigEndian.AppendUint16(out, uint16(stun.AttrData))
	return binary.BigEndian.AppendUint16(out, uint16(n))
}
