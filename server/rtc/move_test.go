package rtc

import (
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/pion/webrtc/v4"
	"github.com/stretchr/testify/require"
)

// nat is a router before a client: towards the server it has another address
// whenever the test says so.
type nat struct {
	t      *testing.T
	inside *net.UDPConn
	server *net.UDPAddr

	// guarded by mu
	mu      sync.Mutex
	outside *net.UDPConn
	client  *net.UDPAddr
	running sync.WaitGroup
}

func newNAT(t *testing.T, h *house) *nat {
	t.Helper()
	n := &nat{t: t, inside: loopback(t), server: net.UDPAddrFromAddrPort(h.port.Announced()[0])}
	n.rebind()
	n.running.Go(n.out)
	t.Cleanup(func() {
		_ = n.inside.Close()
		_ = n.outside.Close()
		n.running.Wait()
	})
	return n
}

func loopback(t *testing.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// rebind gives the client another address; nothing reaches the old one.
func (n *nat) rebind() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outside != nil {
		_ = n.outside.Close()
	}
	c := loopback(n.t)
	n.outside = c
	n.running.Go(func() { n.in(c) })
}

func (n *nat) out() {
	b := make([]byte, 2048)
	for {
		size, from, err := n.inside.ReadFromUDP(b)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.client = from
		_, _ = n.outside.WriteToUDP(b[:size], n.server)
		n.mu.Unlock()
	}
}

func (n *nat) in(outside *net.UDPConn) {
	b := make([]byte, 2048)
	for {
		size, _, err := outside.ReadFromUDP(b)
		if err != nil {
			return
		}
		n.mu.Lock()
		client := n.client
		n.mu.Unlock()
		_, _ = n.inside.WriteToUDP(b[:size], client)
	}
}

// through makes an answer lead through the router.
func (n *nat) through(answer string) string {
	return strings.ReplaceAll(answer, fmt.Sprintf(" %d typ host", n.server.Port), fmt.Sprintf(" %d typ host", n.inside.LocalAddr().(*net.UDPAddr).Port))
}

// A client whose address changes is sent its media there: at once when it
// restarts ICE, and when it does not know of it, because its router has changed
// its mind, with its next checks.
func TestMediaFollowTheClient(t *testing.T) {
	t.Parallel()
	for _, restarts := range []bool{true, false} {
		t.Run(fmt.Sprintf("restart %v", restarts), func(t *testing.T) {
			t.Parallel()
			h := newHouse(t, true)
			c, w := newCaster(t, webrtc.MimeTypeVP8), newWatcher(t)
			pub, view := h.client(""), h.client("")
			before, behind := newNAT(t, h), newNAT(t, h)
			got := make(chan struct{}, 1)
			reportPackets(w, got)
			answered := func(k *client, pc *webrtc.PeerConnection, n *nat) {
				accept(t, pc, n.through(k.expect("answer")["sdp"].(string)))
			}
			pub.say("type", "publish", "id", "p", "stream", "s", "sdp", c.offer)
			answered(pub, c.pc, before)
			h.live("s", 2)
			c.cast(t)
			view.say("type", "watch", "id", "w", "stream", "s", "sdp", offerOf(t, w))
			answered(view, w, behind)
			flows(t, got)

			before.rebind()
			behind.rebind()
			for len(got) > 0 {
				<-got
			}
			if restarts {
				pub.say("type", "restart", "id", "p", "sdp", restartOffer(t, c.pc))
				answered(pub, c.pc, before)
				view.say("type", "restart", "id", "w", "sdp", restartOffer(t, w))
				answered(view, w, behind)
			}
			flows(t, got)
		})
	}
}

// checkOf is an authentic check of a session, as whoever owns it can make one.
func checkOf(t *testing.T, pc *webrtc.PeerConnection) []byte {
	t.Helper()
	of := func(key, sdp string) string {
		v := value(sdp, key)
		require.NotEmpty(t, v)
		return v
	}
	answer := pc.RemoteDescription().SDP
	return stun.MustBuild(stun.TransactionID, stun.BindingRequest,
		stun.NewUsername(of("ice-ufrag", answer)+":"+of("ice-ufrag", pc.LocalDescription().SDP)),
		ice.PriorityAttr(1), ice.AttrControlling(1), ice.UseCandidate(),
		stun.NewShortTermIntegrity(of("ice-pwd", answer)), stun.Fingerprint).Raw
}

// Whoever owns a session and forges the address of a stranger does not have its
// media sent there. The stranger gets what answers the forged checks and a few
// checks of ours, all of it smaller than what was sent in his name.
func TestMediaDoNotFollowForgers(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for name, pc := range map[string]*webrtc.PeerConnection{"viewer": p.w, "publisher": p.c.pc} {
		stranger, forged, begun := loopback(t), 0, time.Now()
		for range 20 {
			b := checkOf(t, pc)
			_, err := stranger.WriteToUDP(b, net.UDPAddrFromAddrPort(p.port.Announced()[0]))
			require.NoError(t, err)
			forged += len(b)
			flows(t, p.got) // the media go on where they went
		}
		answers, checks := 0, 0
		b := make([]byte, 2048)
		for {
			require.NoError(t, stranger.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
			n, err := stranger.Read(b)
			if err != nil {
				break
			}
			require.True(t, stun.IsMessage(b[:n]), "%s: nothing but STUN", name)
			if b[0] == 1 {
				answers += n
			} else {
				checks += n
			}
		}
		require.Positive(t, checks, name)
		require.Less(t, answers, forged, name)
		require.LessOrEqual(t, checks, 150*(4+4*int(time.Since(begun)/(3*time.Second))), name)
	}
}
