package port

import (
	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port/udp"
)

// counters are the numbers of the port. A field is a few words of cause, so
// that an operator sees why datagrams or connections went nowhere.
type counters struct {
	datagramCounters
	relay   relayCounters
	framed  framedCounters
	streams streamCounters
}

// datagramCounters are those of the UDP sockets together.
type datagramCounters struct {
	media, ice, turn, stun          *metric.Counter // by class
	garbage, long, unknown, spoofed *metric.Counter // dropped
	stunLimited, turnFull, panics   *metric.Counter
	sendFull, gsoOff                *metric.Counter
}

// relayCounters are those of the virtual relayed addresses.
type relayCounters struct {
	in, out, foreign, refused, full, closed *metric.Counter
}

// framedCounters are those of ICE over TCP.
type framedCounters struct {
	in, out, refused, full, closed *metric.Counter
}

// streamCounters are those of the TCP connections.
type streamCounters struct {
	http, turn, ice, rtmp, rtsp                     *metric.Counter // by class
	secure                                          *metric.Counter // handshakes done
	garbage, silent, evicted, crowd, full, unagreed *metric.Counter // closed

}

// sockets are the counters that the sockets themselves count on.
func (c *counters) sockets() udp.Counters {
	return udp.Counters{Long: c.long, Full: c.sendFull, Uncuts: c.gsoOff}
}

func newCounters(r *metric.Registry) *counters {
	c := func(name, help string) *metric.Counter { return r.Counter("heliograph_port_"+name, help) }
	return &counters{
		datagramCounters: datagramCounters{
			media:       c("udp_media_total", "DTLS, SRTP and SRTCP datagrams received."),
			ice:         c("udp_ice_total", "ICE datagrams received."),
			turn:        c("udp_turn_total", "TURN datagrams received."),
			stun:        c("udp_stun_total", "Plain STUN Binding requests received."),
			garbage:     c("udp_garbage_total", "Datagrams dropped: of no protocol served here."),
			long:        c("udp_long_total", "Datagrams dropped: longer than 2048 bytes."),
			unknown:     c("udp_unknown_total", "Datagrams dropped: of no session."),
			spoofed:     c("udp_spoofed_total", "Datagrams dropped: from an address that cannot send."),
			stunLimited: c("stun_limited_total", "Binding requests not answered: too many."),
			turnFull:    c("turn_full_total", "TURN datagrams dropped: queue full."),
			panics:      c("panics_total", "Faults in handling a datagram or connection, which cost that session only."),
			sendFull:    c("send_full_total", "Sends refused by a full socket buffer."),
			gsoOff:      c("gso_off_total", "Times that segmentation by the kernel was switched off."),
		},
		relay: relayCounters{
			in:      c("relay_in_total", "Datagrams from TURN clients to our sessions."),
			out:     c("relay_out_total", "Datagrams from our sessions to TURN clients."),
			foreign: c("relay_foreign_total", "Datagrams from TURN clients to an address that is not ours, dropped."),
			refused: c("relay_refused_total", "Datagrams from TURN clients that are no media, dropped."),
			full:    c("relay_full_total", "Datagrams to TURN clients dropped: pipe full."),
			closed:  c("relay_closed_total", "Datagrams to closed relayed addresses, dropped."),
		},
		framed: framedCounters{
			in:      c("ice_tcp_in_total", "Datagrams received by ICE over TCP."),
			out:     c("ice_tcp_out_total", "Datagrams sent by ICE over TCP."),
			refused: c("ice_tcp_refused_total", "Connections for ICE over TCP closed: too many."),
			full:    c("ice_tcp_full_total", "Datagrams by ICE over TCP dropped: pipe full."),
			closed:  c("ice_tcp_closed_total", "Datagrams to closed connections of ICE over TCP, dropped."),
		},
		streams: streamCounters{
			http:     c("tcp_http_total", "HTTP connections accepted."),
			turn:     c("tcp_turn_total", "TURN connections accepted."),
			ice:      c("tcp_ice_total", "Connections for ICE over TCP accepted."),
			rtmp:     c("tcp_rtmp_total", "RTMP connections accepted."),
			rtsp:     c("tcp_rtsp_total", "RTSP connections accepted."),
			secure:   c("tcp_tls_total", "TLS handshakes done, whatever is spoken within."),
			garbage:  c("tcp_garbage_total", "Connections closed: of no protocol served here."),
			silent:   c("tcp_silent_total", "Connections closed: nothing said in time."),
			evicted:  c("tcp_evicted_total", "Silent connections closed to make room for new ones."),
			crowd:    c("tcp_crowd_total", "Connections closed: too many of one network."),
			full:     c("tcp_full_total", "Connections closed: too many of all networks together."),
			unagreed: c("tcp_tls_failed_total", "Connections closed: TLS handshake failed or not finished in time."),
		},
	}
}
