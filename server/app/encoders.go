package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/rtmp"
	"github.com/heliograph/heliograph/server/rtsp"
	"github.com/heliograph/heliograph/server/srt"
	"github.com/heliograph/heliograph/server/transcode"
	"github.com/heliograph/heliograph/server/web"
)

// encoders are the doors of programs that are no browsers, each nil when off.
type encoders struct {
	rtmp *rtmp.Server
	rtsp *rtsp.Server
	srt  *srt.Server
}

// Where the doors open unless the operator says otherwise.
const (
	defaultRTMP = ":1935"
	defaultRTSP = ":8554"
	defaultSRT  = ":8890"
)

// openDoors opens what the settings name.
func (a *App) openDoors(metrics *metric.Registry) error {
	set, secure := a.cfg.Settings.Encoders, a.encryption.config()
	var err error
	if set.RTMP != "" || set.RTMPS != "" {
		err = a.door("RTMP", set.RTMP == defaultRTMP && set.RTMPS == "", func() (err error) {
			a.doors.rtmp, err = rtmp.New(rtmp.Config{
				Listen: set.RTMP, TLSListen: set.RTMPS, TLS: secure, Shared: a.port.RTMP(), Hub: a.hub, Checker: a.auth, Log: a.cfg.Log, Metrics: metrics,
			})
			return err
		})
	}
	if err == nil && (set.RTSP != "" || set.RTSPS != "") {
		err = a.door("RTSP", set.RTSP == defaultRTSP && set.RTSPS == "", func() (err error) {
			a.doors.rtsp, err = rtsp.New(rtsp.Config{
				Listen: set.RTSP, TLSListen: set.RTSPS, UDPListen: evenPort(set.RTSP), TLS: secure, Shared: a.port.RTSP(),
				Hub: a.hub, Checker: a.auth, Log: a.cfg.Log, Metrics: metrics,
			})
			return err
		})
	}
	if err == nil && set.SRT != "" {
		err = a.door("SRT", set.SRT == defaultSRT, func() (err error) {
			a.doors.srt, err = srt.New(srt.Config{
				Listen: set.SRT, Passphrase: set.Passphrase, Hub: a.hub, Checker: a.auth, Log: a.cfg.Log, Metrics: metrics,
			})
			return err
		})
	}
	return err
}

// door opens one. A port that nobody chose and that another program has is no
// reason not to start: a second server, or a demo beside a running one.
func (a *App) door(name string, usual bool, open func() error) error {
	err := open()
	if err == nil {
		return nil
	}
	flag := "--" + strings.ToLower(name)
	if usual && errors.Is(err, syscall.EADDRINUSE) {
		a.cfg.Log.Warn("another program has the port, so "+name+" is off; choose another port with "+flag, "err", err)
		return nil
	}
	return fmt.Errorf("opening %s: %w (choose another port with %s, or switch it off with %s=)", name, err, flag, flag)
}

// evenPort returns where RTP over UDP is taken: at the number of the TCP port,
// or the next, since RTP has an even one and RTCP the one after (RFC 3550
// section 11).
func evenPort(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return ""
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(host, strconv.Itoa(n+n%2))
}

// addresses are where the doors are, as host:port; "" for one that is shut.
type addresses struct {
	RTMP  string `json:"rtmp,omitempty"`
	RTMPS string `json:"rtmps,omitempty"`
	RTSP  string `json:"rtsp,omitempty"`
	RTSPS string `json:"rtsps,omitempty"`
	SRT   string `json:"srt,omitempty"`
}

func (d encoders) addresses() (a addresses) {
	if d.rtmp != nil {
		a.RTMP, a.RTMPS = text(d.rtmp.Addr()), text(d.rtmp.TLSAddr())
	}
	if d.rtsp != nil {
		a.RTSP, a.RTSPS = text(d.rtsp.Addr()), text(d.rtsp.TLSAddr())
	}
	if d.srt != nil {
		a.SRT = d.srt.Addr()
	}
	return a
}

func text(a net.Addr) string {
	if a == nil {
		return ""
	}
	return a.String()
}

// describe tells the web app where the doors are.
func (a *App) describe() web.Encoders {
	at := a.doors.addresses()
	return web.Encoders{
		RTMP: portOf(at.RTMP), RTMPS: portOf(at.RTMPS), RTSP: portOf(at.RTSP), RTSPS: portOf(at.RTSPS), SRT: portOf(at.SRT),
		Encrypted: a.cfg.Settings.Encoders.Passphrase != "", Transcoder: a.others.transcoder.Available,
	}
}

func portOf(address string) int {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return 0
	}
	return n
}

// parts returns the doors that are open, to be run.
func (d encoders) parts() []part {
	var list []part
	if d.rtmp != nil {
		list = append(list, part{"rtmp", d.rtmp})
	}
	if d.rtsp != nil {
		list = append(list, part{"rtsp", d.rtsp})
	}
	if d.srt != nil {
		list = append(list, part{"srt", d.srt})
	}
	return list
}

// finder lets the hub, which is made first, ask for streams that a source brings.
type finder struct{ app *App }

// Find implements hub.Finder.
func (f finder) Find(ctx context.Context, stream string) error {
	return f.app.others.pull.Find(ctx, stream)
}

// newTranscoder looks for ffmpeg.
func (a *App) newTranscoder(metrics *metric.Registry) (*transcode.Transcoder, error) {
	return transcode.New(transcode.Config{Video: a.cfg.Settings.Transcode == "auto", Log: a.cfg.Log, Metrics: metrics})
}

// watching is the grant of what the operator has told the server to send on.
func watching(stream string) auth.Grant { return auth.System(auth.Watch, stream) }

// publishing is the grant of what the operator has told the server to fetch.
func publishing(stream string) auth.Grant { return auth.System(auth.Publish, stream) }
