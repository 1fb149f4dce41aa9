package port

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
)

// However many ask, those that prove nothing go, the oldest first; those that a
// session has learned stay until it forgets them.
func TestAnswersAreBounded(t *testing.T) {
	t.Parallel()
	table := newAnswers()
	ours := netip.MustParseAddr("192.0.2.2")
	table.note(at(1), ours, true, false)
	table.learn(at(1))
	for i := range 3 * maxWaiting {
		table.note(at(i+2), ours, false, false)
	}
	require.Len(t, table.clients, maxWaiting+1)
	require.Equal(t, ours, table.to(at(1), false), "learned")
	require.False(t, table.to(at(2), true).IsValid(), "the oldest")
	require.Equal(t, ours, table.to(at(3*maxWaiting+1), true), "the newest")
	table.forget(at(1))
	require.False(t, table.to(at(1), false).IsValid())
	for i := range 3 * maxWaiting {
		table.note(at(i+2), netip.Addr{}, false, false)
		table.forget(at(i + 2))
	}
	require.True(t, table.none())
	require.Empty(t, table.clients)
}

// What a session forgets, by whatever way, has no place any more.
func TestForgottenClientsAreAnsweredAsUsual(t *testing.T) {
	t.Parallel()
	p := open(t, "127.0.0.1:0")
	table, ours := p.sessions.answers, netip.MustParseAddr("192.0.2.2")
	require.NoError(t, p.Register("a", silence{}))
	require.NoError(t, p.Register("b", silence{}))
	for i := range 5 * maxAddrs {
		table.note(at(i), ours, true, false)
		p.Learn(at(i), "a")
	}
	require.Len(t, table.clients, maxAddrs, "a session has few addresses")
	last := at(5*maxAddrs - 1)
	p.Learn(last, "b")
	p.Unregister("a")
	require.Len(t, table.clients, 1)
	require.Equal(t, ours, table.to(last, false), "it has moved")
	p.Unregister("b")
	require.True(t, table.none())
}
