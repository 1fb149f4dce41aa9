package onvif

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"
)

// Limits of a search.
const (
	maxCameras = 256
	maxReplies = 2048     // on one network, good or bad
	maxReply   = 16 << 10 // bytes
	maxSearch  = 10 * time.Second
	repeat     = 500 * time.Millisecond // the question is put twice: a datagram may be lost
)

// Camera is one that answered a search.
type Camera struct {
	Name     string // what it calls itself, or its address
	Address  string // its IP address
	Endpoint string // where Streams asks it
}

// Discover asks the local networks for cameras and returns those that answered
// within a time of at most 10 s, by address. It finds none where multicast does
// not reach them, as from within most containers. It returns ErrBusy while
// another search runs, or an error when no network could be asked.
func (s *Scout) Discover(ctx context.Context, wait time.Duration) ([]Camera, error) {
	select {
	case s.searches <- struct{}{}:
		defer func() { <-s.searches }()
	default:
		return nil, ErrBusy
	}
	from, err := s.from()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, min(wait, maxSearch))
	defer cancel()
	found := &finds{cameras: map[string]Camera{}}
	var asking sync.WaitGroup
	for _, a := range from {
		asking.Go(func() { found.add(s.search(ctx, a, found)) })
	}
	asking.Wait()
	return found.list(len(from))
}

// finds are the cameras found so far, on all networks.
type finds struct {
	// guarded by mu
	mu      sync.Mutex
	cameras map[string]Camera // by endpoint
	failed  []error
}

// camera takes in one that answered, unless there are too many.
func (f *finds) camera(c Camera) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cameras) < maxCameras {
		f.cameras[c.Endpoint] = c
	}
}

// add takes in why a network could not be asked.
func (f *finds) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failed = append(f.failed, err)
	}
}

func (f *finds) list(networks int) ([]Camera, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.failed) > 0 && len(f.failed) == networks {
		return nil, errors.Join(f.failed...)
	}
	list := make([]Camera, 0, len(f.cameras))
	for _, c := range f.cameras {
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Camera) int {
		x, _ := netip.ParseAddr(a.Address)
		y, _ := netip.ParseAddr(b.Address)
		return cmp.Or(x.Compare(y), cmp.Compare(a.Endpoint, b.Endpoint))
	})
	return list, nil
}

// search asks one network until ctx ends. A socket that is bound to an address
// sends to the group on that address's network.
func (s *Scout) search(ctx context.Context, from netip.Addr, found *finds) error {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Now()) })
	defer stop()
	if err := s.ask(conn); err != nil {
		return err
	}
	again := time.AfterFunc(repeat, func() { _ = s.ask(conn) })
	defer again.Stop()
	buffer := make([]byte, maxReply)
	for range maxReplies {
		n, peer, err := conn.ReadFromUDPAddrPort(buffer)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		if c, ok := parseMatch(buffer[:n], peer.Addr().Unmap()); ok {
			found.camera(c)
		}
	}
	return nil
}

// ask sends the questions: cameras are devices of either type, and some answer
// only when asked for theirs.
func (s *Scout) ask(conn *net.UDPConn) error {
	for _, kind := range []string{"dn:NetworkVideoTransmitter", "tds:Device"} {
		if _, err := conn.WriteToUDPAddrPort(probe(kind), s.to); err != nil {
			return err
		}
	}
	return nil
}
