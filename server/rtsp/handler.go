package rtsp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/liberrors"

	"github.com/heliograph/heliograph/server/rtsp/sdp"
)

// handler is what the library calls. Each method keeps a fault of ours from
// ending more than the session it happened in.
type handler struct{ *Server }

func clientOf(c *gortsplib.ServerConn) *client { return c.UserData().(*client) }

// OnConnOpen begins a connection.
func (h *handler) OnConnOpen(x *gortsplib.ServerHandlerOnConnOpenCtx) {
	g := x.Conn.NetConn().(*guard)
	x.Conn.SetUserData(&client{guard: g, addr: addrOf(g.RemoteAddr()), peer: g.RemoteAddr().String()})
}

// OnConnClose ends a connection.
func (h *handler) OnConnClose(x *gortsplib.ServerHandlerOnConnCloseCtx) {
	c := clientOf(x.Conn)
	if c.watching != nil {
		c.watching.end(x.Error)
	}
	h.cfg.Log.Debug("rtsp connection ended", "peer", c.peer, "reason", x.Error)
	// Clients come and go; what they did wrong was logged with the answer, but
	// for what the library refuses by itself.
	if c.failures == 0 && x.Error != nil && !ordinary(x.Error) {
		h.refused.Inc()
		h.cfg.Log.Warn("rtsp connection closed", "peer", c.peer, "reason", plain(x.Error.Error()))
	}
}

// ordinary tells whether a connection ended as connections do.
func ordinary(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &network) ||
		errors.As(err, new(liberrors.ErrServerTerminated)) || errors.As(err, new(liberrors.ErrServerSessionTornDown))
}

// OnRequest counts the requests of a connection.
func (h *handler) OnRequest(conn *gortsplib.ServerConn, req *base.Request) {
	c := clientOf(conn)
	if req.Method == base.Announce {
		req.Body = sdp.Mend(req.Body)
	}
	if c.allow(time.Now()) {
		return
	}
	if c.requests == maxRequests+1 {
		h.refused.Inc()
		h.cfg.Log.Warn("rtsp connection closed", "peer", c.peer, "reason", errRate)
	}
	conn.Close()
}

// OnSessionClose ends what the session did.
func (h *handler) OnSessionClose(x *gortsplib.ServerHandlerOnSessionCloseCtx) {
	h.claims.leave(x.Session)
	if e, ok := x.Session.UserData().(interface{ end(error) }); ok {
		e.end(x.Error)
	}
}

// OnDescribe tells a player what a stream has.
func (h *handler) OnDescribe(x *gortsplib.ServerHandlerOnDescribeCtx) (res *base.Response, out *gortsplib.ServerStream, err error) {
	defer h.recovered(&res, &err)
	return h.describe(clientOf(x.Conn), x)
}

// OnAnnounce takes the description of what is to be published.
func (h *handler) OnAnnounce(x *gortsplib.ServerHandlerOnAnnounceCtx) (res *base.Response, err error) {
	defer h.recovered(&res, &err)
	return h.announce(clientOf(x.Conn), x)
}

// OnSetup prepares one track of a session.
func (h *handler) OnSetup(x *gortsplib.ServerHandlerOnSetupCtx) (res *base.Response, out *gortsplib.ServerStream, err error) {
	defer h.recovered(&res, &err)
	c := clientOf(x.Conn)
	if c.guard.secure && x.Transport.Protocol != gortsplib.ProtocolTCP {
		code, text := explain(errSecure)
		return &base.Response{StatusCode: code, StatusMessage: text}, nil, nil
	}
	if x.Transport.Protocol == gortsplib.ProtocolUDP {
		if err := h.claims.take(c.addr, x.Session, x.Request.Header["Transport"]); err != nil {
			res, err := h.refuse(c, streamOf(x.Path), err)
			return res, nil, err
		}
	}
	if x.Session.State() == gortsplib.ServerSessionStatePreRecord {
		return ok(), nil, nil
	}
	return h.setup(c, x)
}

// OnPlay begins to play.
func (h *handler) OnPlay(x *gortsplib.ServerHandlerOnPlayCtx) (res *base.Response, err error) {
	defer h.recovered(&res, &err)
	return h.play(clientOf(x.Conn), x)
}

// OnRecord begins to take media.
func (h *handler) OnRecord(x *gortsplib.ServerHandlerOnRecordCtx) (res *base.Response, err error) {
	defer h.recovered(&res, &err)
	return h.record(clientOf(x.Conn), x)
}

// OnPacketsLost is about packets that were lost on their way; the track's gaps
// say so already.
func (h *handler) OnPacketsLost(*gortsplib.ServerHandlerOnPacketsLostCtx) {}

// OnDecodeError is about packets that are malformed.
func (h *handler) OnDecodeError(x *gortsplib.ServerHandlerOnDecodeErrorCtx) {
	if p, ok := x.Session.UserData().(*publisher); ok && p.intake != nil {
		p.intake.complain(x.Error)
	}
}

// OnStreamWriteError is called when a player's queue is full.
func (h *handler) OnStreamWriteError(x *gortsplib.ServerHandlerOnStreamWriteErrorCtx) {
	if p, ok := x.Session.UserData().(*player); ok {
		p.drop(fmt.Errorf("%w: %w", ErrSlow, x.Error))
	}
}

// recovered turns a panic into an answer that ends the connection.
func (h *handler) recovered(res **base.Response, err *error) {
	v := recover()
	if v == nil {
		return
	}
	h.faults.Inc()
	*err = fmt.Errorf("fault: %v", v)
	code, text := explain(*err)
	*res = &base.Response{StatusCode: code, StatusMessage: text}
	h.cfg.Log.Error("rtsp: a fault of the server", "panic", v)
}
