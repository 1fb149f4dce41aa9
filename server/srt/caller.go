package srt

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/datarhei/gosrt/circular"
	"github.com/datarhei/gosrt/congestion"
	"github.com/datarhei/gosrt/congestion/live"
	"github.com/datarhei/gosrt/crypto"
	"github.com/datarhei/gosrt/packet"
)

// The rhythm of a connection that we opened.
const (
	handshakeTime  = 3 * time.Second
	handshakeRetry = 250 * time.Millisecond
	tickEvery      = 10 * time.Millisecond
	keepaliveEvery = time.Second
	maxDatagram    = 1500
	maxSent        = 1 << 30 // packets under one key, of the 1<<31 after which AES-CTR would repeat itself
	keyLength      = 16      // AES-128, which every SRT has
)

// Why a connection that we opened failed.
var (
	errNoAnswer   = errors.New("nobody answers there; check host and port, and that UDP gets through")
	errNoListener = errors.New("nobody listens at that port")
	errClosed     = errors.New("the other side closed the connection")
	errUnreadable = errors.New("the other side's answer is no SRT of version 1.3 or later")
	errUsedUp     = errors.New("the encryption key is used up; connecting again makes a new one")
)

// call is what a caller asks the other side for.
type call struct {
	dial       func(ctx context.Context, network, address string) (net.Conn, error)
	address    string
	streamID   string
	passphrase string
	latency    time.Duration
}

// caller is a connection that we opened, for sending only. The library's own
// loses a goroutine with every failed attempt and trusts what the other side
// sends, so only its packets, cipher and sending queue are used.
type caller struct {
	// set at construction
	socket net.Conn
	start  time.Time
	id     uint32
	peer   uint32
	cipher crypto.Crypto // nil without a passphrase
	queue  congestion.Sender

	// guarded by mu
	mu     sync.Mutex // writes to the socket
	buffer bytes.Buffer

	// atomic
	sent atomic.Uint64
	last atomic.Int64 // when something was sent, ns since start
}

// connect opens a connection. It returns errNoAnswer and the like, or a
// *rejectedError.
func connect(ctx context.Context, c call) (*caller, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeTime)
	defer cancel()
	socket, err := c.dial(ctx, "udp", c.address)
	if err != nil {
		return nil, err
	}
	var seed [8]byte
	_, _ = rand.Read(seed[:])
	x := &caller{socket: socket, start: time.Now(), id: binary.BigEndian.Uint32(seed[:]) | 1}
	seq := circular.New(binary.BigEndian.Uint32(seed[4:])&packet.MAX_SEQUENCENUMBER, packet.MAX_SEQUENCENUMBER)
	stop := context.AfterFunc(ctx, func() { _ = socket.SetReadDeadline(time.Unix(1, 0)) })
	err = x.shakeHands(ctx, c, seq)
	stop()
	if err != nil {
		_ = socket.Close()
		return nil, err
	}
	return x, nil
}

// shakeHands is the caller's part of section 4.3.1 of the SRT draft.
func (x *caller) shakeHands(ctx context.Context, c call, seq circular.Number) error {
	hello := &packet.CIFHandshake{
		IsRequest: true, Version: 4, ExtensionField: 2, InitialPacketSequenceNumber: seq,
		MaxTransmissionUnitSize: maxDatagram, MaxFlowWindowSize: 8192, HandshakeType: packet.HSTYPE_INDUCTION, SRTSocketId: x.id,
	}
	answer, err := x.ask(ctx, hello, packet.HSTYPE_INDUCTION)
	if err != nil {
		return err
	}
	if answer.Version != 5 || answer.ExtensionField != 0x4a17 {
		return errUnreadable
	}
	ms := uint16(c.latency.Milliseconds())
	conclusion := *hello
	conclusion.Version, conclusion.HandshakeType, conclusion.SynCookie = 5, packet.HSTYPE_CONCLUSION, answer.SynCookie
	conclusion.HasHS, conclusion.HasSID, conclusion.StreamId = true, c.streamID != "", c.streamID
	conclusion.SRTHS = &packet.CIFHandshakeExtension{
		SRTVersion: 0x010401, RecvTSBPDDelay: ms, SendTSBPDDelay: ms,
		SRTFlags: packet.CIFHandshakeExtensionFlags{TSBPDSND: true, TSBPDRCV: true, CRYPT: true, TLPKTDROP: true, PERIODICNAK: true, REXMITFLG: true},
	}
	if err := x.encrypt(c.passphrase, &conclusion); err != nil {
		return err
	}
	answer, err = x.ask(ctx, &conclusion, packet.HSTYPE_CONCLUSION)
	if err != nil {
		return err
	}
	if answer.Version != 5 || answer.SRTHS == nil {
		return errUnreadable
	}
	x.peer = answer.SRTSocketId
	delay := max(c.latency, time.Duration(answer.SRTHS.RecvTSBPDDelay)*time.Millisecond)
	x.queue = live.NewSender(live.SendConfig{
		InitialSequenceNumber: seq, OnDeliver: x.deliver,
		DropThreshold: uint64(max(delay*5/4, time.Second).Microseconds()), // section 4.6
	})
	return nil
}

// encrypt makes a key and adds it to the handshake.
func (x *caller) encrypt(passphrase string, h *packet.CIFHandshake) error {
	if passphrase == "" {
		return nil
	}
	cipher, err := crypto.New(keyLength)
	if err != nil {
		return err
	}
	h.HasKM, h.SRTKM = true, &packet.CIFKeyMaterialExtension{}
	x.cipher = cipher
	return cipher.MarshalKM(h.SRTKM, passphrase, packet.EvenKeyEncrypted)
}

// ask sends a handshake until its answer comes.
func (x *caller) ask(ctx context.Context, h *packet.CIFHandshake, want packet.HandshakeType) (*packet.CIFHandshake, error) {
	buffer := make([]byte, maxDatagram)
	for {
		p := x.control(packet.CTRLTYPE_HANDSHAKE, 0)
		if err := p.MarshalCIF(h); err != nil {
			return nil, err
		}
		if err := x.send(p); err != nil {
			return nil, errNoListener
		}
		retry := time.Now().Add(handshakeRetry)
		_ = x.socket.SetReadDeadline(retry)
		for time.Now().Before(retry) {
			if ctx.Err() != nil {
				return nil, patience(ctx)
			}
			n, err := x.socket.Read(buffer)
			if err != nil {
				if isTimeout(err) {
					break
				}
				return nil, errNoListener
			}
			answer, err := x.answer(buffer[:n], want)
			if answer != nil || err != nil {
				return answer, err
			}
		}
		if ctx.Err() != nil {
			return nil, patience(ctx)
		}
	}
}

// patience is why a handshake was given up.
func patience(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errNoAnswer
	}
	return ctx.Err()
}

func isTimeout(err error) bool {
	var t net.Error
	return errors.As(err, &t) && t.Timeout()
}

// answer reads a datagram as the answer to a handshake; nil for another. The
// library panics at handshakes that are cut off.
func (x *caller) answer(b []byte, want packet.HandshakeType) (h *packet.CIFHandshake, err error) {
	defer func() {
		if recover() != nil {
			h, err = nil, errUnreadable
		}
	}()
	p, err := packet.NewPacketFromData(nil, b)
	if err != nil {
		return nil, nil //nolint:nilerr // a stray datagram
	}
	defer p.Decommission()
	if head := p.Header(); !head.IsControlPacket || head.ControlType != packet.CTRLTYPE_HANDSHAKE {
		return nil, nil
	}
	h = &packet.CIFHandshake{}
	if err := p.UnmarshalCIF(h); err != nil {
		return nil, errUnreadable
	}
	switch {
	case h.HandshakeType == want:
		return h, nil
	case h.HandshakeType.IsRejection():
		return nil, &rejectedError{h.HandshakeType.Val()}
	}
	return nil, nil
}

func (x *caller) now() uint64 { return uint64(time.Since(x.start).Microseconds()) }

// control begins a control packet.
func (x *caller) control(kind packet.CtrlType, specific uint32) packet.Packet {
	p := packet.NewPacket(nil)
	h := p.Header()
	h.IsControlPacket, h.ControlType, h.TypeSpecific = true, kind, specific
	h.Timestamp, h.DestinationSocketId = uint32(x.now()), x.peer
	return p
}

// send writes a packet, and gives it up when it is a control packet.
func (x *caller) send(p packet.Packet) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.buffer.Reset()
	err := p.Marshal(&x.buffer)
	if err == nil {
		_, err = x.socket.Write(x.buffer.Bytes())
	}
	if p.Header().IsControlPacket {
		p.Decommission()
	}
	x.last.Store(int64(time.Since(x.start)))
	return err
}

// deliver is called by the queue for a packet that is due, or is sent again.
func (x *caller) deliver(p packet.Packet) {
	h := p.Header()
	h.DestinationSocketId = x.peer
	if x.cipher != nil {
		h.KeyBaseEncryptionFlag = packet.EvenKeyEncrypted
		if !h.RetransmittedPacketFlag {
			_ = x.cipher.EncryptOrDecryptPayload(p.Data(), h.KeyBaseEncryptionFlag, h.PacketSequenceNumber.Val())
		}
	}
	_ = x.send(p) // what is lost is asked for again; a socket that is gone is seen by the reader
}

// write sends a piece of the stream.
func (x *caller) write(b []byte) error {
	if x.sent.Add(1) > maxSent {
		return errUsedUp
	}
	p := packet.NewPacket(nil)
	p.SetData(b)
	now := x.now()
	p.Header().PktTsbpdTime = now
	x.queue.Push(p)
	x.queue.Tick(now)
	return nil
}

// run looks after the connection until it fails or ctx ends.
func (x *caller) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { cancel(x.receive()) })
	parts.Go(func() { cancel(x.tick(ctx)) })
	<-ctx.Done()
	_ = x.send(x.shutdown())
	_ = x.socket.Close()
	parts.Wait()
	return context.Cause(ctx)
}

func (x *caller) shutdown() packet.Packet {
	p := x.control(packet.CTRLTYPE_SHUTDOWN, 0)
	_ = p.MarshalCIF(&packet.CIFShutdown{})
	return p
}

// tick drops what is too old, keeps the connection alive and bounds it.
func (x *caller) tick(ctx context.Context) error {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	var resent, n uint64
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
		x.queue.Tick(x.now())
		if time.Since(x.start)-time.Duration(x.last.Load()) > keepaliveEvery {
			_ = x.send(x.control(packet.CTRLTYPE_KEEPALIVE, 0))
		}
		if n++; n%uint64(watchEvery/tickEvery) != 0 {
			continue
		}
		st := x.queue.Stats()
		if st.ByteBuf > maxHeldBytes {
			return errTooBig
		}
		if st.PktRetrans-resent > maxResent {
			return errResend
		}
		resent = st.PktRetrans
	}
}

// receive takes what the other side sends until it is gone.
func (x *caller) receive() error {
	buffer := make([]byte, maxDatagram)
	for {
		_ = x.socket.SetReadDeadline(time.Now().Add(silence))
		n, err := x.socket.Read(buffer)
		switch {
		case isTimeout(err):
			return errSilent
		case err != nil:
			return fmt.Errorf("%w: %w", errLost, err)
		}
		if over := x.handle(buffer[:n]); over {
			return errClosed
		}
	}
}

// handle takes a packet and tells whether it was the goodbye.
func (x *caller) handle(b []byte) (over bool) {
	defer func() { _ = recover() }() // the library's parsers
	p, err := packet.NewPacketFromData(nil, b)
	if err != nil {
		return false
	}
	defer p.Decommission()
	h := p.Header()
	if !h.IsControlPacket || h.DestinationSocketId != x.id {
		return false
	}
	switch h.ControlType {
	case packet.CTRLTYPE_SHUTDOWN:
		return true
	case packet.CTRLTYPE_ACK:
		var ack packet.CIFACK
		if p.UnmarshalCIF(&ack) != nil {
			return false
		}
		x.queue.ACK(ack.LastACKPacketSequenceNumber)
		if !ack.IsLite && !ack.IsSmall {
			_ = x.send(x.control(packet.CTRLTYPE_ACKACK, h.TypeSpecific))
		}
	case packet.CTRLTYPE_NAK:
		var nak packet.CIFNAK
		if p.UnmarshalCIF(&nak) == nil {
			x.queue.NAK(nak.LostPacketSequenceNumber)
		}
	}
	return false
}
