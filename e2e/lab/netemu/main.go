//go:build linux

// Command netemu is a line that loses, delays and queues packets, for kernels
// without such a queueing discipline: it makes two TUN devices and carries IP
// packets between them. Whoever starts it moves the devices to the hosts that
// the line joins; it knows nothing of addresses or of what the packets say.
//
//	netemu UP DOWN
//
// Up is from the first device to the second. Each line on stdin changes
// settings, such as "loss=5 delay=20ms down.rate=1e6 down.queue=32000", and is
// answered by a line of JSON with the counts; an empty line only asks. The
// line and its devices are gone when stdin ends.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"

	"golang.org/x/sync/errgroup"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: netemu UP DOWN, the names of two devices to make")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "netemu:", err)
		os.Exit(1)
	}
}

func run(near, far string) error {
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
