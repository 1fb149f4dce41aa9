package address

import (
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 5 * time.Second

// world is a STUN server that tells whatever it likes.
type world struct {
	conn  *net.UDPConn
	asked atomic.Int32
}

// newWorld runs a STUN server until the test ends. Tell returns the answers to
// the question with that number, in their order.
func newWorld(t testing.TB, tell func(asked int32, request []byte, from netip.AddrPort) [][]byte) *world {
	t.Helper()
	w := &world{conn: socket(t)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b := make([]byte, maxAnswer)
		for {
			n, from, err := w.conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			for _, answer := range tell(w.asked.Add(1), b[:n], from) {
				_, _ = w.conn.WriteToUDPAddrPort(answer, from)
			}
		}
	}()
	t.Cleanup(func() {
		_ = w.conn.Close()
		<-ended
	})
	return w
}

func socket(t testing.TB) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func (w *world) host() Host {
	return Host{Name: "127.0.0.1", Port: uint16(w.conn.LocalAddr().(*net.UDPAddr).Port)}
}

// binding returns a message with the transaction of a request.
func binding(request []byte, kind stun.MessageType, more ...stun.Setter) []byte {
	m := new(stun.Message)
	copy(m.TransactionID[:], request[8:header])
	for _, set := range append([]stun.Setter{kind}, more...) {
		if err := set.AddTo(m); err != nil {
			panic(err)
		}
	}
	m.Encode()
	return m.Raw
}

// says is the answer of a server that sees a socket at an address.
func says(request []byte, seen string) []byte {
	a := netip.MustParseAddrPort(seen)
	return binding(request, stun.BindingSuccess, &stun.XORMappedAddress{IP: a.Addr().AsSlice(), Port: int(a.Port())})
}

// silent is a server that never answers.
func silent(int32, []byte, netip.AddrPort) [][]byte { return nil }

// always tells the same address under the number that the question came from,
// as behind a 1:1 NAT.
func always(address string) func(int32, []byte, netip.AddrPort) [][]byte {
	return func(_ int32, request []byte, from netip.AddrPort) [][]byte {
		return [][]byte{says(request, netip.AddrPortFrom(netip.MustParseAddr(address), from.Port()).String())}
	}
}

// asking returns a mapping that asks often.
func asking(w *world, log *slog.Logger) *mapping {
	m := newMapping(w.host(), log)
	m.patience, m.repeat = patience, 5*time.Millisecond
	return m
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// A new address of the router's is found while the server runs. What was known
// stays while nothing better is.
func TestMappingFollowsTheRouter(t *testing.T) {
	t.Parallel()
	var address atomic.Pointer[string]
	tell := func(a string) { address.Store(&a) }
	tell("203.0.113.7")
	w := newWorld(t, func(n int32, request []byte, from netip.AddrPort) [][]byte {
		return always(*address.Load())(n, request, from)
	})
	conn := socket(t)
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	a, err := Find(Config{Local: local, STUN: w.host(), Log: quiet()}, conn)
	require.NoError(t, err)
	at := func(s string) netip.AddrPort { return netip.AddrPortFrom(netip.MustParseAddr(s), local.Port()) }
	require.Equal(t, []netip.AddrPort{at("203.0.113.7")}, a.Announced())

	ctx, cancel := context.WithCancel(t.Context())
	a.every = 5 * time.Millisecond
	var running sync.WaitGroup
	running.Go(func() { a.Run(ctx, by(conn)) })
	running.Go(func() {
		b := make([]byte, maxAnswer)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			a.Take(b[:n], from)
		}
	})
	eventually := func(what string, is func() bool) {
		t.Helper()
		require.Eventually(t, is, patience, time.Millisecond, what)
	}
	tell("203.0.113.8")
	eventually("the new address", func() bool { return a.Announced()[0] == at("203.0.113.8") })
	tell("10.0.0.1")
	eventually("a refusal", func() bool { _, err := a.mapping.found(); return err != nil })
	require.Equal(t, []netip.AddrPort{at("203.0.113.8")}, a.Announced())
	require.Contains(t, a.Peers(), at("203.0.113.7"), "for sessions that were told of it")
	cancel()
	_ = conn.Close()
	running.Wait()
}

func TestMappingAsksAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(asked int32, request []byte, _ netip.AddrPort) [][]byte {
		if asked < 3 {
			return nil
		}
		return [][]byte{says(request, "203.0.113.7:80"), says(request, "203.0.113.8:80")}
	})
	m := asking(w, quiet())
	m.askAlone(socket(t))
	seen, err := m.found()
	require.NoError(t, err)
	require.Equal(t, addrPorts("203.0.113.7:80"), seen)
	require.GreaterOrEqual(t, w.asked.Load(), int32(3))
	require.Empty(t, m.open)
}

// A server does without an answer, and says so.
func TestMappingWithoutAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, silent)
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	m := asking(w, log)
	m.patience = 20 * time.Millisecond
	conn := socket(t)
	m.askAlone(conn)
	seen, err := m.found()
	require.Empty(t, seen)
	require.ErrorIs(t, err, errSilent)
	require.Empty(t, m.open)

	a, err := find(Config{Local: netip.MustParseAddrPort("192.168.1.5:8080"), Log: log}, m)
	require.NoError(t, err)
	require.Equal(t, addrPorts("192.168.1.5:8080"), a.Announced())
	a.Tell()
	require.Contains(t, logged.String(), "does not answer")
	m.err = &net.DNSError{Name: "stun.example", IsNotFound: true}
	a.Tell()
	require.Contains(t, logged.String(), "the server's name has no address")
	require.NotContains(t, logged.String(), "with --stun\"", "nobody is told to set what is set")

	m.server.Name = "nosuch.invalid"
	m.askAlone(conn)
	_, err = m.found()
	require.ErrorContains(t, err, "nosuch.invalid")
}

// That a server is silent later is said once, and what it said is kept.
func TestMappingKeepsWhatItKnows(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(asked int32, request []byte, from netip.AddrPort) [][]byte {
		if asked > 1 {
			return nil
		}
		return always("203.0.113.7")(asked, request, from)
	})
	var logged bytes.Buffer
	m := asking(w, slog.New(slog.NewTextHandler(&logged, nil)))
	conn := socket(t)
	m.askAlone(conn)
	m.patience = 20 * time.Millisecond
	m.refresh(t.Context(), by(conn))
	m.refresh(t.Context(), by(conn))
	seen, err := m.found()
	require.ErrorIs(t, err, errSilent)
	require.Equal(t, "203.0.113.7", seen[0].Addr().String())
	require.Equal(t, 1, bytes.Count(logged.Bytes(), []byte("level=WARN")))
}

// A server that says something else each time, or nothing every other time, does
// not fill the log; what it says in the end is not kept back for ever.
func TestFickleServerDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(asked int32, request []byte, from netip.AddrPort) [][]byte {
		switch asked % 3 {
		case 0:
			return [][]byte{binding(request, stun.BindingError, stun.CodeServerError)}
		case 1:
			return always("203.0.113.7")(asked, request, from)
		}
		return always("203.0.113.8")(asked, request, from)
	})
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	m := asking(w, log)
	m.repeat = patience
	conn := socket(t)
	m.askAlone(conn)
	a, err := find(Config{Local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Log: log}, m)
	require.NoError(t, err)
	refresh := func(n int) {
		var hearing sync.WaitGroup
		for range n {
			hearing.Go(func() {
				b := make([]byte, maxAnswer)
				n, from, err := conn.ReadFromUDPAddrPort(b)
				if err == nil {
					a.Take(b[:n], from)
				}
			})
			a.Refresh(t.Context(), by(conn))
			hearing.Wait()
		}
	}
	count := func(s string) int { return bytes.Count(logged.Bytes(), []byte(s)) }
	refresh(29)
	require.Equal(t, 1, count("elsewhere than before"))
	require.Equal(t, 1, count("have changed"))
	require.Equal(t, 1, count("does not say any more"))
	require.Equal(t, "203.0.113.8", a.Announced()[0].Addr().String())
	m.moves.Interval, a.moves.Interval = 1, 1
	logged.Reset()
	refresh(1)
	require.Contains(t, logged.String(), "now=[203.0.113.7:")
	require.Contains(t, logged.String(), "announced=[203.0.113.7:")
}

// An end of the program does not wait, and leaves no mark.
func TestMappingIsInterrupted(t *testing.T) {
	t.Parallel()
	w := newWorld(t, silent)
	m, conn := asking(w, quiet()), socket(t)
	m.patience = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	m.refresh(ctx, func(b []byte, to netip.AddrPort) error {
		cancel()
		return by(conn)(b, to)
	})
	_, err := m.found()
	require.NoError(t, err)
}

// Of a machine with one family, that the other leads nowhere costs no time and
// is no fault.
func TestMappingOfOneFamily(t *testing.T) {
	t.Parallel()
	m := newMapping(Host{"stun.example", 1}, quiet())
	m.note([]netip.AddrPort{{}, netip.MustParseAddrPort("203.0.113.7:80")}, errSilent)
	seen, err := m.found()
	require.NoError(t, err)
	require.Len(t, seen, 1)
	m.note([]netip.AddrPort{netip.MustParseAddrPort("[2001:db8::7]:80"), netip.MustParseAddrPort("203.0.113.8:80")}, nil)
	m.note(nil, errSilent)
	seen, err = m.found()
	require.ErrorIs(t, err, errSilent)
	require.ElementsMatch(t, addrPorts("203.0.113.8:80", "[2001:db8::7]:80"), seen)
}

// An answer counts that comes from where the question went and has its 96
// random bits, and nothing else does.
func TestMappingBelievesOnlyWhoWasAsked(t *testing.T) {
	t.Parallel()
	other := socket(t)
	w := newWorld(t, func(asked int32, request []byte, from netip.AddrPort) [][]byte {
		if asked == 1 {
			_, _ = other.WriteToUDPAddrPort(says(request, "198.51.100.66:80"), from)
			guessed := says(request, "198.51.100.66:80")
			guessed[header-1]++
			return [][]byte{guessed, []byte("x"), nil, make([]byte, header)}
		}
		return [][]byte{says(request, "203.0.113.7:80")}
	})
	m := asking(w, quiet())
	m.askAlone(socket(t))
	seen, err := m.found()
	require.NoError(t, err)
	require.Equal(t, addrPorts("203.0.113.7:80"), seen)

	late := says(make([]byte, header), "198.51.100.66:80")
	require.False(t, m.take(late, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), w.host().Port)), "nobody is asked any more")
}

func TestMappedIn(t *testing.T) {
	t.Parallel()
	request := make([]byte, header)
	for _, seen := range []string{
		"10.0.0.1:80", "192.168.1.5:80", "172.16.0.1:80", "100.64.0.1:80", "127.0.0.1:80", "169.254.169.254:80",
		"0.0.0.0:80", "0.1.2.3:80", "224.0.0.1:80", "239.255.255.250:80", "240.0.0.1:80", "255.0.0.1:80", "255.255.255.255:80",
		"203.0.113.7:0", "[2001:db8::7]:80",
	} {
		_, err := mappedIn(says(request, seen), true)
		require.ErrorAs(t, err, &refusedAnswer{}, seen)
	}
	mapped := says(request, "[2001:db8::7]:80")
	prefix := []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 203, 0, 113, 7}
	for i := range prefix { // what is sent is the exclusive or with cookie and transaction
		mapped[header+8+i] = prefix[i] ^ mapped[4+i]
	}
	_, err := mappedIn(mapped, false)
	require.ErrorAs(t, err, &refusedAnswer{}, "IPv4 in IPv6")
	for _, seen := range []string{
		"[fd00::1]:80", "[::1]:80", "[fe80::1]:80", "[ff02::1]:80", "[::]:80", "203.0.113.7:80", "[100::1]:80",
		"[fec0::1]:80", "[::7f00:1]:80", "[64:ff9b::a00:1]:80", "[2002:7f00:1::]:80", "[4000::1]:80",
	} {
		_, err := mappedIn(says(request, seen), false)
		require.ErrorAs(t, err, &refusedAnswer{}, seen)
	}
	short := says(request, "203.0.113.7:80")
	binary.BigEndian.PutUint16(short[header+2:], 5)
	for name, b := range map[string][]byte{
		"nothing":         nil,
		"no address":      binding(request, stun.BindingSuccess),
		"an error":        binding(request, stun.BindingError, stun.CodeServerError),
		"a request":       binding(request, stun.BindingRequest),
		"cut":             says(request, "203.0.113.7:80")[:header+3],
		"half an address": short,
	} {
		_, err := mappedIn(b, true)
		require.ErrorAs(t, err, &refusedAnswer{}, name)
	}
	for seen, v4 := range map[string]bool{"203.0.113.7:80": true, "1.1.1.1:80": true, "223.255.255.1:80": true, "[2001:db8::7]:80": false, "[3fff::7]:80": false} {
		a, err := mappedIn(says(request, seen), v4)
		require.NoError(t, err)
		require.Equal(t, seen, a.String())
	}
}

func FuzzMappedIn(f *testing.F) {
	request := make([]byte, header)
	f.Add(says(request, "203.0.113.7:80"), true)
	f.Add(says(request, "[2001:db8::7]:80"), false)
	f.Add(binding(request, stun.BindingError, stun.CodeServerError), true)
	f.Fuzz(func(t *testing.T, b []byte, v4 bool) {
		a, err := mappedIn(b, v4)
		if err != nil {
			require.ErrorAs(t, err, &refusedAnswer{})
			return
		}
		require.Equal(t, v4, a.Addr().Is4())
		require.NotZero(t, a.Port())
		require.False(t, isPrivate(a.Addr()) || !usable(a.Addr()) || !routed(a.Addr()))
	})
}
