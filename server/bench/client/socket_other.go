//go:build !linux

package client

import (
	"errors"
	"net/netip"
	"syscall"
)

const controlSize = 0

// stampArrivals has no portable form: the time of the read counts.
func stampArrivals(syscall.Conn) error { return nil }

func readControl([]byte) (arrived int64, drops uint32) { return 0, 0 }

func (s *socket) detach() bool { return false }

func (s *socket) filterAll() error { return errors.ErrUnsupported }

func (s *socket) receive(*Batch, *Client) int { return 0 }

func duplicate(syscall.Conn) (int, error) { return -1, errors.ErrUnsupported }

func receiveStamped(int, []byte, []byte) (int, int64, error) { return 0, 0, errors.ErrUnsupported }

func writeAll(int, []byte) (int, error) { return 0, errors.ErrUnsupported }

func sendTo(int, []byte, netip.AddrPort) {}

func closeFile(int) {}

// Batch reads the sockets of detached clients, of which there are none here.
type Batch struct{}

// NewBatch returns a batch.
func NewBatch() *Batch { return &Batch{} }

// Read reads nothing.
func (b *Batch) Read(*Client) int { return 0 }
