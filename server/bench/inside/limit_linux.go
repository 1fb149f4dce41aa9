package inside

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net/netip"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Sizes of what the limit sends: what egress sends, with the header extension
// for transport-wide numbers and the tag of AES-GCM.
const (
	headerSize = 20
	packetSize = headerSize + payloadSize + 16
)

// limit is a sender that does nothing but what none can do without: for each
// viewer a header, AES-GCM and one system call for the burst. It runs on as
// many threads as the real one.
type limit struct {
	// set at construction
	lanes []*limitLane
}

// limitLane is one thread with its socket and viewers.
type limitLane struct {
	// set at construction
	fd      int
	viewers []limitViewer

	// owned by the thread
	slab    []byte
	payload []byte
	seq     uint16
	nonce   [12]byte
	message unix.Msghdr
	vector  unix.Iovec
	control segmentControl
}

type limitViewer struct {
	seal cipher.AEAD
	to   unix.RawSockaddrInet4
}

// segmentControl tells the kernel to cut (UDP_SEGMENT).
type segmentControl struct {
	header unix.Cmsghdr
	size   uint16
	_      [6]byte
}

// newLimit sends to the addresses to, which are IPv4.
func newLimit(to []netip.AddrPort) (*limit, error) {
	l := &limit{}
	threads := min(runtime.GOMAXPROCS(0), len(to))
	for i := range threads {
		lane := &limitLane{
			fd: -1, slab: make([]byte, framePackets*packetSize), payload: make([]byte, payloadSize),
		}
		l.lanes = append(l.lanes, lane)
		for k := i; k < len(to); k += threads {
			v, err := newLimitViewer(to[k])
			if err != nil {
				return nil, err
			}
			lane.viewers = append(lane.viewers, v)
		}
		if err := lane.open(); err != nil {
			l.close()
			return nil, fmt.Errorf("no socket for the limit: %w", err)
		}
	}
	return l, nil
}

func newLimitViewer(to netip.AddrPort) (limitViewer, error) {
	v := limitViewer{to: unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: to.Addr().As4()}}
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v.to.Port))[:], to.Port())
	var key [16]byte
	_, _ = rand.Read(key[:]) // never fails
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return v, err
	}
	v.seal, err = cipher.NewGCM(block)
	return v, err
}

func (l *limitLane) open() (err error) {
	if l.fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0); err != nil {
		return err
	}
	_ = unix.SetsockoptInt(l.fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 4<<20)
	l.control.header.Level, l.control.header.Type = unix.SOL_UDP, unix.UDP_SEGMENT
	l.control.header.SetLen(unix.CmsgLen(2))
	l.control.size = packetSize
	l.vector.Base = &l.slab[0]
	l.vector.SetLen(len(l.slab))
	l.message.Iov, l.message.Namelen = &l.vector, unix.SizeofSockaddrInet4
	l.message.SetIovlen(1)
	l.message.Control = (*byte)(unsafe.Pointer(&l.control))
	l.message.SetControllen(unix.CmsgSpace(2))
	return nil
}

// run sends for d and returns how many packets there were.
func (l *limit) run(ctx context.Context, d time.Duration) (packets uint64, err error) {
	end := time.Now().Add(d)
	counts, errs := make([]uint64, len(l.lanes)), make([]error, len(l.lanes))
	var wg sync.WaitGroup
	for i, lane := range l.lanes {
		wg.Go(func() {
			for errs[i] == nil && time.Now().Before(end) && ctx.Err() == nil {
				errs[i] = lane.burst()
				counts[i] += uint64(framePackets * len(lane.viewers))
			}
		})
	}
	wg.Wait()
	for i, n := range counts {
		if packets += n; errs[i] != nil {
			return packets, errs[i]
		}
	}
	return packets, ctx.Err()
}

func (l *limitLane) burst() error {
	for i := range l.viewers {
		v := &l.viewers[i]
		for k := range framePackets {
			l.put(l.slab[k*packetSize:], v.seal, k == framePackets-1, l.seq+uint16(k))
		}
		l.message.Name = (*byte)(unsafe.Pointer(&v.to))
		_, _, errno := unix.RawSyscall(unix.SYS_SENDMSG, uintptr(l.fd), uintptr(unsafe.Pointer(&l.message)), unix.MSG_DONTWAIT)
		if errno != 0 {
			return fmt.Errorf("the limit cannot be measured, as the kernel refuses segments (UDP_SEGMENT): %w", errno)
		}
	}
	l.seq += framePackets
	return nil
}

// put writes one packet.
func (l *limitLane) put(b []byte, seal cipher.AEAD, marker bool, seq uint16) {
	b[0], b[1] = 0x90, 102
	if marker {
		b[1] |= 0x80
	}
	binary.BigEndian.PutUint16(b[2:], seq)
	binary.BigEndian.PutUint32(b[4:], uint32(seq))
	binary.BigEndian.PutUint32(b[8:], 1)
	binary.BigEndian.PutUint32(b[12:], 0xbede_0001)
	binary.BigEndian.PutUint32(b[16:], 0x3100_0000|uint32(seq)<<8)
	binary.BigEndian.PutUint16(l.nonce[6:], seq)
	seal.Seal(b[headerSize:headerSize], l.nonce[:], l.payload, b[:headerSize])
}

func (l *limit) close() {
	for _, lane := range l.lanes {
		if lane.fd >= 0 {
			_ = unix.Close(lane.fd)
		}
	}
}
