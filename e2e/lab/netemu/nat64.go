//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"os"
)

// nat64 translates what a device of its own is given, until stdin ends.
func nat64(device, six, four string) error {
	t, err := newTranslator(six, four)
	if err != nil {
		return err
	}
	tun, err := openTUN(device)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		tun.Close()
	}()
	fmt.Println(`{"ready": true}`)
	return eachPacket(tun, func(packet []byte) {
		if other := t.translate(packet); other != nil {
			// A packet that the host does not want is lost, as anywhere.
			_, _ = tun.Write(other)
		}
	})
}

// newTranslator reads the addresses of the client.
func newTranslator(six, four string) (translator, error) {
	a, err := netip.ParseAddr(six)
	if err != nil || !a.Is6() {
		return translator{}, fmt.Errorf("%q is no address of IPv6", six)
	}
	b, err := netip.ParseAddr(four)
	if err != nil || !b.Is4() {
		return translator{}, fmt.Errorf("%q is no address of IPv4", four)
	}
	return translator{six: a, four: b}, nil
}
