package turn

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// permission is a request that changes an allocation.
func (r *raw) permission(to netip.AddrPort) []byte {
	r.t.Helper()
	key := stun.NewLongTermIntegrity(r.user, r.realm.String(), r.password)
	m, err := stun.Build(stun.TransactionID, stun.NewType(stun.MethodCreatePermission, stun.ClassRequest), peer(to),
		stun.NewUsername(r.user), r.realm, r.nonce, key)
	require.NoError(r.t, err)
	return m.Raw
}

// An allocation that ends while the library makes a permission in it killed the
// process.
func TestAllocationEndsWhileItIsChanged(t *testing.T) {
	t.Parallel()
	h := open(t)
	var clients sync.WaitGroup
	for k := range 4 {
		clients.Go(func() {
			for n := range 100 {
				r := h.guest(t, []string{"udp", "tcp"}[k%2])
				r.allocate()
				request := r.permission(h.addr)
				var ending sync.WaitGroup
				ending.Go(func() {
					time.Sleep(time.Duration(n%60) * time.Microsecond) // some of them meet
					h.Revoke(r.user)
				})
				_, _ = r.conn.Write(request)
				_ = r.conn.SetReadDeadline(time.Now().Add(2 * time.Millisecond))
				_, _ = r.conn.Read(make([]byte, maxMessage))
				ending.Wait()
				_ = r.conn.Close()
			}
		})
	}
	clients.Wait()
	require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
}

// The same, with the library held up in the midst of it.
func TestEndWaitsForAChange(t *testing.T) {
	t.Parallel()
	h := open(t)
	r := h.guest(t, "udp")
	r.allocate()
	c := h.allocations.relayed(client{addr: netip.MustParseAddrPort(r.conn.LocalAddr().String())})
	c.routes.mu.Lock() // which the library comes to once the permission is known
	_, err := r.conn.Write(r.permission(h.addr))
	require.NoError(t, err)
	require.Eventually(t, func() bool { return !c.life.mu.TryLock() || unlock(c) }, patience, time.Millisecond)
	h.Revoke(r.user)
	c.routes.mu.Unlock()
	require.Zero(t, code(t, r.read()), "it was first")
	require.Eventually(t, func() bool { return h.allocations.len() == 0 }, patience, time.Millisecond)
	require.True(t, c.life.ended)
}

// unlock undoes a TryLock and is false.
func unlock(c *relayConn) bool {
	c.life.mu.Unlock()
	return false
}

// By the library's own timer, too, an allocation ends only when nobody changes it.
func TestLastMoments(t *testing.T) {
	t.Parallel()
	inBubble(t, noLimits, func(t *testing.T, b *bubble) {
		r := b.visit(t)
		r.allocate()
		change := func() stun.ErrorCode { return code(t, r.signed(stun.MethodCreatePermission, peer(b.peers[0]))) }
		time.Sleep(lifeSpan - lastMoments - time.Second)
		require.Zero(t, change())
		time.Sleep(2 * time.Second)
		require.Equal(t, stun.CodeAllocMismatch, change())
		good := r.nonce
		r.nonce = stun.NewNonce("0123456789abcdef")
		require.Equal(t, stun.CodeStaleNonce, code(t, r.signed(stun.MethodRefresh)))
		r.nonce = good
		require.Equal(t, stun.CodeAllocMismatch, change(), "that was no refresh")
		require.Zero(t, code(t, r.signed(stun.MethodRefresh)))
		require.Zero(t, change())
	})
}
