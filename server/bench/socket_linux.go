package bench

import (
	"encoding/binary"
	"net"
	"strconv"

	"golang.org/x/sys/unix"
)

// stampArrivals makes the kernel hand out, with every packet, the time at
// which it came and the number of packets dropped so far.
func stampArrivals(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var sockErr error
	err = raw.Control(func(fd uintptr) {
		if sockErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1); sockErr == nil {
			sockErr = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RXQ_OVFL, 1)
		}
	})
	if err != nil {
		return err
	}
	return sockErr
}

// readControl reads the arrival in ns of Unix time and the count of drops
// from a packet's control messages; 0 where there is none.
func readControl(oob []byte) (arrived int64, drops uint32) {
	for len(oob) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(oob)
		if err != nil {
			return arrived, drops
		}
		oob = rest
		if h.Level != unix.SOL_SOCKET {
			continue
		}
		switch {
		case h.Type == unix.SCM_TIMESTAMPNS && len(data) >= 2*strconv.IntSize/8:
			arrived = readTimespec(data)
		case h.Type == unix.SO_RXQ_OVFL && len(data) >= 4:
			drops = binary.NativeEndian.Uint32(data)
		}
	}
	return arrived, drops
}

// readTimespec reads the kernel's old timespec: two longs.
func readTimespec(b []byte) int64 {
	if strconv.IntSize == 32 {
		return int64(binary.NativeEndian.Uint32(b))*1e9 + int64(binary.NativeEndian.Uint32(b[4:]))
	}
	return int64(binary.NativeEndian.Uint64(b))*1e9 + int64(binary.NativeEndian.Uint64(b[8:]))
}
