package rtsp

import (
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/description"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"
	"github.com/pion/rtp"
	"github.com/stretchr/testify/require"

	"github.com/heliograph/heliograph/server/rtsp/udp"
)

const interrupt = syscall.SIGINT

var errDeadline = os.ErrDeadlineExceeded

// Parameter sets of 320x180, as x264 writes them.
var (
	testSPS = []byte{0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x41, 0x9f, 0x9f, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0x20, 0xf1, 0x42, 0xa4, 0x80}
	testPPS = []byte{0x68, 0xcb, 0x83, 0xcb, 0x20}
)

// device is a camera of another make: a server of the library's, with its own
// ways to sign in and to answer.
type device struct {
	srv    *gortsplib.Server
	stream *gortsplib.ServerStream
	media  *description.Media
	url    string

	pass    string                                    // of the user "admin"; "" for anybody
	tamper  func(*base.Request, *base.Response)       // nil for nothing
	answers func(path string) (*base.Response, error) // nil for the stream at /live

	noUDP   bool
	bitrate int
	mute    atomic.Bool
	done    chan struct{}
	running sync.WaitGroup
	request atomic.Pointer[base.Request]
}

// newDevice prepares a camera; start lets it answer.
func newDevice(addr string) *device {
	d := &device{done: make(chan struct{}), bitrate: 1_000_000}
	d.media = &description.Media{Type: description.MediaTypeVideo, Formats: []format.Format{
		&format.H264{PayloadTyp: 96, PacketizationMode: 1, SPS: testSPS, PPS: testPPS},
	}}
	d.srv = &gortsplib.Server{Handler: d, RTSPAddress: addr}
	return d
}

func (d *device) start() error {
	if !d.noUDP {
		sockets, err := udp.ListenPair("127.0.0.1:0")
		if err != nil {
			return err
		}
		d.srv.ListenPacket = sockets.Hand()
		d.srv.UDPRTPAddress, d.srv.UDPRTCPAddress = "127.0.0.1:2", "127.0.0.1:3"
	}
	if err := d.srv.Start(); err != nil {
		return err
	}
	d.url = "rtsp://" + d.srv.NetListener().Addr().String() + "/live"
	d.stream = &gortsplib.ServerStream{Server: d.srv, Desc: &description.Session{Medias: []*description.Media{d.media}}}
	if err := d.stream.Initialize(); err != nil {
		return err
	}
	d.running.Go(d.film)
	return nil
}

func (d *device) stop() {
	close(d.done)
	d.running.Wait()
	d.stream.Close()
	d.srv.Close()
}

// film sends 25 frames a second, each cut into packets of 1,400 bytes.
func (d *device) film() {
	ticker := time.NewTicker(40 * time.Millisecond)
	defer ticker.Stop()
	frame := make([]byte, d.bitrate/8/25)
	seq, stamp := uint16(65000), uint32(0xffff0000)
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-d.done:
			return
		}
		if d.mute.Load() {
			continue
		}
		kind := byte(1)
		if n%10 == 0 {
			kind = 5
		}
		stamp += 3600
		now := time.Now()
		for at := 0; at < len(frame); at += 1398 {
			end := min(at+1398, len(frame))
			header := kind
			if at == 0 {
				header |= 0x80
			}
			if end == len(frame) {
				header |= 0x40
			}
			_ = d.stream.WritePacketRTPWithNTP(d.media, &rtp.Packet{
				Header:  rtp.Header{Version: 2, PayloadType: 96, SequenceNumber: seq, Timestamp: stamp, Marker: end == len(frame)},
				Payload: append([]byte{0x7c, header}, frame[at:end]...),
			}, now)
			seq++
		}
	}
}

func (d *device) OnRequest(_ *gortsplib.ServerConn, r *base.Request) { d.request.Store(r) }

func (d *device) OnResponse(_ *gortsplib.ServerConn, r *base.Response) {
	if d.tamper != nil {
		d.tamper(d.request.Load(), r)
	}
}

func (d *device) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx)           {}
func (d *device) OnDecodeError(*gortsplib.ServerHandlerOnDecodeErrorCtx)           {}
func (d *device) OnStreamWriteError(*gortsplib.ServerHandlerOnStreamWriteErrorCtx) {}

func (d *device) OnDescribe(x *gortsplib.ServerHandlerOnDescribeCtx) (*base.Response, *gortsplib.ServerStream, error) {
	if d.pass != "" && !x.Conn.VerifyCredentials(x.Request, "admin", d.pass) {
		return &base.Response{StatusCode: base.StatusUnauthorized}, nil, liberrors.ErrServerAuth{}
	}
	if d.answers != nil {
		if res, err := d.answers(x.Path); res != nil {
			return res, nil, err
		}
	}
	if x.Path != "/live" {
		return &base.Response{StatusCode: base.StatusNotFound}, nil, nil
	}
	return ok(), d.stream, nil
}

func (d *device) OnSetup(*gortsplib.ServerHandlerOnSetupCtx) (*base.Response, *gortsplib.ServerStream, error) {
	return ok(), d.stream, nil
}

func (d *device) OnPlay(*gortsplib.ServerHandlerOnPlayCtx) (*base.Response, error) { return ok(), nil }

// camera starts a device for a test.
func startDevice(t *testing.T, change func(*device)) *device {
	t.Helper()
	d := newDevice("127.0.0.1:0")
	if change != nil {
		change(d)
	}
	require.NoError(t, d.start())
	t.Cleanup(d.stop)
	return d
}

// with returns the device's address with credentials.
func (d *device) with(user, pass string) string {
	return strings.Replace(d.url, "://", "://"+user+":"+pass+"@", 1)
}

// freePort returns an address where nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}
