//go:build !linux

package inside

import (
	"context"
	"net/netip"
	"time"
)

func processCPU() time.Duration { return 0 }

func threadCPU() time.Duration { return 0 }

func waitedForCore() time.Duration { return 0 }

func residentBytes() int64 { return 0 }

type limit struct{}

func newLimit([]netip.AddrPort) (*limit, error) { return nil, errNoBatch }

func (*limit) run(context.Context, time.Duration) (uint64, error) { return 0, errNoBatch }

func (*limit) close() {}
