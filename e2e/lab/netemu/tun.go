//go:build linux

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// openTUN makes a TUN device without packet headers of its own. It lives as
// long as the file is open, in whatever network namespace it is moved to.
func openTUN(name string) (*os.File, error) {
	fd, err := unix.Open("/dev/net/tun", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("/dev/net/tun: %w", err)
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("device %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), name), nil
}

// longest is what a packet may have, in bytes.
const longest = 64 << 10

// eachPacket hands over what a device is given, until it is closed. A packet
// is valid until take returns.
func eachPacket(device io.Reader, take func(packet []byte)) error {
	buffer := make([]byte, longest)
	for {
		n, err := device.Read(buffer)
		if errors.Is(err, os.ErrClosed) {
			return nil
		}
		if errors.Is(err, unix.EIO) { // the device is down, as it is while it moves
			time.Sleep(10 * time.Millisecond)
			continue
		}
		if err != nil {
			return err
		}
		take(buffer[:n])
	}
}
