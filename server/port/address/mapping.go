package address

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/pion/stun/v4"
	"golang.org/x/time/rate"
)

// How long a STUN server may take to answer, and how often it is asked
// meanwhile and later. The latter keeps what a router has noted of the socket,
// for the shortest time that routers keep it is 30 s (RFC 4787 asks for two
// minutes), and finds a new address of the router's.
const (
	mappingPatience = 3 * time.Second
	mappingRepeat   = 500 * time.Millisecond
	mappingEvery    = 30 * time.Second
)

// tellEvery is how often a change is logged at most: what is told from outside
// may change each time, and must not fill the log.
const tellEvery = 10 * time.Minute

// header is the length of that of a STUN message, which ends with the 96 bits
// of the transaction.
const header = 20

// maxAnswer is more than any answer has, in bytes.
const maxAnswer = 2048

// errSilent says that a STUN server has not answered.
var errSilent = errors.New("no answer")

// refusedAnswer is what is wrong with the address in an answer.
type refusedAnswer struct{ error }

// SendFunc sends a datagram by the socket that is asked about. An error says
// that there is no way; what is only lost on it is none.
type SendFunc func(b []byte, to netip.AddrPort) error

// mapping asks a STUN server (RFC 8489) where the world sees the UDP socket of
// the port: behind a router, or a cloud's 1:1 NAT, no interface knows. A nil
// one asks nobody.
type mapping struct {
	// set at construction
	server   Host
	patience time.Duration
	repeat   time.Duration
	log      *slog.Logger
	// owned by refresh
	told          []netip.AddrPort // what the log says of seen
	toldSilent    bool             // and of err
	moves, faults rate.Sometimes
	// guarded by mu
	mu   sync.Mutex
	open []*question
	seen []netip.AddrPort // one of each family at most; it stays while nobody answers
	err  error            // what was wrong with the last round; nil where all have answered
}

// question is one that is not answered yet.
type question struct {
	to     netip.AddrPort
	id     [stun.TransactionIDSize]byte
	answer chan []byte // of room for one
}

// newMapping returns nil for no server.
func newMapping(server Host, log *slog.Logger) *mapping {
	if server.Name == "" {
		return nil
	}
	return &mapping{server: server, patience: mappingPatience, repeat: mappingRepeat, log: log,
		moves: rate.Sometimes{Interval: tellEvery}, faults: rate.Sometimes{Interval: tellEvery}}
}

// askAlone asks by a socket that nobody reads yet. What comes from others is
// lost, as if the server had started later.
func (m *mapping) askAlone(conn *net.UDPConn) {
	if m == nil {
		return
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		b := make([]byte, maxAnswer)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(b)
			if err != nil {
				return
			}
			m.take(b[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		}
	})
	m.ask(context.Background(), by(conn))
	_ = conn.SetReadDeadline(time.Unix(1, 0)) // wakes the reader
	reading.Wait()
	_ = conn.SetReadDeadline(time.Time{})
	seen, err := m.found() // which Tell says
	m.told, m.toldSilent = seen, err != nil
}

// by returns what sends by a socket.
func by(conn *net.UDPConn) SendFunc {
	return func(b []byte, to netip.AddrPort) error {
		_, err := conn.WriteToUDPAddrPort(b, to)
		return err
	}
}

// refresh asks again, and says now and then what has changed since it was last
// said.
func (m *mapping) refresh(ctx context.Context, send SendFunc) {
	if m == nil {
		return
	}
	m.ask(ctx, send)
	seen, err := m.found()
	switch {
	case ctx.Err() != nil:
	case err != nil && !m.toldSilent:
		m.faults.Do(func() {
			m.toldSilent = true
			m.log.Warn("the STUN server does not say any more where the world sees this server; what it said before is kept", "stun", m.server.Name, "err", err)
		})
	case err != nil:
	case len(m.told) == 0:
		m.told, m.toldSilent = seen, false
	default:
		m.toldSilent = false
		m.tellMove(seen)
	}
}

// tellMove says that the world sees another address than was said.
func (m *mapping) tellMove(seen []netip.AddrPort) {
	if sameSet(addressesOf(m.told), addressesOf(seen)) {
		return
	}
	m.moves.Do(func() {
		m.log.Info("the world sees this server elsewhere than before", "now", seen, "before", m.told)
		m.told = seen
	})
}

// found returns where the world sees the socket, as far as that is known, and
// what was wrong with the last round.
func (m *mapping) found() ([]netip.AddrPort, error) {
	if m == nil {
		return nil, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.seen), m.err
}

// ask looks the server up and asks its first address of each family. It takes
// as long as the slower one has patience for.
func (m *mapping) ask(ctx context.Context, send SendFunc) {
	patient, cancel := context.WithTimeout(ctx, m.patience)
	defer cancel()
	servers, err := m.lookUp(patient)
	answers, errs := make([]netip.AddrPort, len(servers)), make([]error, len(servers))
	var asking sync.WaitGroup
	for i, to := range servers {
		asking.Go(func() { answers[i], errs[i] = m.askOne(patient, to, send) })
	}
	asking.Wait()
	if ctx.Err() == nil {
		m.note(answers, errors.Join(err, errors.Join(errs...)))
	}
}

// note keeps the answers, each in place of the last of its family.
func (m *mapping) note(answers []netip.AddrPort, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var refused refusedAnswer
	heard := false
	for _, a := range answers {
		if a.IsValid() {
			heard = true
			m.seen = append(slices.DeleteFunc(m.seen, func(old netip.AddrPort) bool { return old.Addr().Is4() == a.Addr().Is4() }), a)
		}
	}
	// Of a machine with one family, that the other is silent is no fault.
	if heard && !errors.As(err, &refused) {
		err = nil
	}
	m.err = err
}

// lookUp returns the first address of each family that the server has.
func (m *mapping) lookUp(ctx context.Context) ([]netip.AddrPort, error) {
	all, err := lookUp(ctx, m.server.Name)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range all {
		if !slices.ContainsFunc(list, func(have netip.AddrPort) bool { return have.Addr().Is4() == a.Is4() }) {
			list = append(list, netip.AddrPortFrom(a, m.server.Port))
		}
	}
	if len(list) == 0 {
		return nil, errors.New("it has no address that can be asked")
	}
	return list, nil
}

// askOne asks one address until it answers.
func (m *mapping) askOne(ctx context.Context, to netip.AddrPort, send SendFunc) (netip.AddrPort, error) {
	request, err := stun.Build(stun.TransactionID, stun.BindingRequest)
	if err != nil {
		return netip.AddrPort{}, err
	}
	q := &question{to: to, id: request.TransactionID, answer: make(chan []byte, 1)}
	m.mu.Lock()
	m.open = append(m.open, q)
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		m.open = slices.DeleteFunc(m.open, func(o *question) bool { return o == q })
		m.mu.Unlock()
	}()
	again := time.NewTicker(m.repeat)
	defer again.Stop()
	for {
		// Without a route there is nothing to wait for.
		if err := send(request.Raw, to); err != nil {
			return netip.AddrPort{}, err
		}
		select {
		case b := <-q.answer:
			return mappedIn(b, to.Addr().Is4())
		case <-again.C:
		case <-ctx.Done():
			return netip.AddrPort{}, fmt.Errorf("%w from %s", errSilent, to)
		}
	}
}

// take says whether a datagram answers an open question: it has the 96 random
// bits of one, and comes from where that went.
func (m *mapping) take(b []byte, from netip.AddrPort) bool {
	if m == nil || len(b) < header {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, q := range m.open {
		if q.to == from && [stun.TransactionIDSize]byte(b[8:header]) == q.id {
			select {
			case q.answer <- slices.Clone(b):
			default: // it has one
			}
			return true
		}
	}
	return false
}

// mappedIn reads the address in an answer. One that no client elsewhere could
// use is refused: it would take clients astray, or tell of a network between.
func mappedIn(b []byte, v4 bool) (netip.AddrPort, error) {
	refuse := func(format string, args ...any) (netip.AddrPort, error) {
		return netip.AddrPort{}, refusedAnswer{fmt.Errorf(format, args...)}
	}
	m := &stun.Message{Raw: b}
	if err := m.Decode(); err != nil {
		return refuse("the answer is no STUN: %w", err)
	}
	if m.Type != stun.BindingSuccess {
		return refuse("the answer is no success: %s", m.Type)
	}
	size := net.IPv6len
	if v4 {
		size = net.IPv4len
	}
	var x stun.XORMappedAddress
	value, err := m.Get(stun.AttrXORMappedAddress)
	if err == nil {
		err = stun.CheckSize(stun.AttrXORMappedAddress, len(value), 4+size) // the library takes half an address too
	}
	if err == nil {
		err = x.GetFrom(m)
	}
	if err != nil {
		return refuse("the answer names no address: %w", err)
	}
	a, _ := netip.AddrFromSlice(x.IP)
	switch {
	case usable(a) && isPrivate(a):
		return refuse("the address %s is private, so a network lies between that the world does not reach into", a)
	case !usable(a) || !routed(a) || x.Port == 0 || a.Is4() != v4:
		return refuse("%s is no address of a server", net.JoinHostPort(a.String(), strconv.Itoa(x.Port)))
	}
	return netip.AddrPortFrom(a, uint16(x.Port)), nil
}

// routed says whether an address is from the blocks in which the world's servers
// are: of IPv4 without 0/8, multicast and what is reserved above, of IPv6 the
// global ones (RFC 4291 section 2.4) without those of 6to4 (RFC 7526). So none is
// one of the port's virtual addresses. Those for documentation and for tests of networks (RFC 2544) harm nobody and are let
// pass: networks that are made for tests consist of them.
func routed(a netip.Addr) bool {
	if a.Is4() {
		first := a.As4()[0]
		return first > 0 && first < 224
	}
	b := a.As16()
	return b[0]>>5 == 1 && (b[0] != 0x20 || b[1] != 0x02)
}

func addressesOf(list []netip.AddrPort) []netip.Addr {
	all := make([]netip.Addr, len(list))
	for i, a := range list {
		all[i] = a.Addr()
	}
	return all
}
