//go:build linux

// Command netemu is two parts of a network that not every kernel has.
//
//	netemu UP DOWN
//
// is a line that loses, delays and queues packets: it makes two TUN devices and
// carries IP packets between them. Whoever starts it moves the devices to the
// hosts that the line joins; it knows nothing of addresses or of what the
// packets say.
//
// Up is from the first device to the second. Each line on stdin changes
// settings, such as "loss=5 delay=20ms down.rate=1e6 down.queue=32000", and is
// answered by a line of JSON with the counts; an empty line only asks. The
// line and its devices are gone when stdin ends.
//
//	netemu DEVICE SIX FOUR
//
// is a translator between IPv6 and IPv4: it makes one TUN device, and what the
// host routes there comes back in the other family. SIX is the address of its
// one client, who reaches all of IPv4 by 64:ff9b::/96, and FOUR stands for it.
// It is gone when stdin ends.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sync/errgroup"
)

func main() {
	var err error
	switch args := os.Args[1:]; len(args) {
	case 2:
		err = line(args[0], args[1])
	case 3:
		err = nat64(args[0], args[1], args[2])
	default:
		fmt.Fprintln(os.Stderr, "usage: netemu UP DOWN, the names of two devices to make\n       netemu DEVICE SIX FOUR, one device and the addresses of its client")
		os.Exit(2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "netemu:", err)
		os.Exit(1)
	}
}

// line carries between two devices of its own, until stdin ends.
func line(near, far string) error {
	a, err := openTUN(near)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := openTUN(far)
	if err != nil {
		return err
	}
	defer b.Close()

	up := newPipe(a, b, newLink(rand.New(rand.NewPCG(rand.Uint64(), 0))))
	down := newPipe(b, a, newLink(rand.New(rand.NewPCG(rand.Uint64(), 0))))
	ctx, stop := context.WithCancel(context.Background())
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return up.Run(ctx) })
	all.Go(func() error { return down.Run(ctx) })
	fmt.Println(`{"ready": true}`)
	err = obey(os.Stdin, os.Stdout, up, down)
	stop()
	a.Close()
	b.Close()
	if failed := all.Wait(); failed != nil {
		return failed
	}
	return err
}
