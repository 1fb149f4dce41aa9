package port

import "github.com/heliograph/heliograph/server/metric"

// counters are the numbers of the port. A field is a few words of cause, so
// that an operator sees why datagrams or connections went nowhere.
type counters struct {
	media, ice, turn, stun            *metric.Counter // datagrams by class
	garbage, unknown, spoofed         *metric.Counter // datagrams dropped
	stunLimited, turnFull, panics     *metric.Counter
	sendFull, gsoOff                  *metric.Counter
	relayIn, relayOut, relayForeign   *metric.Counter
	relayRefused, relayFull, relayOld *metric.Counter
	http, turnStreams                 *metric.Counter // connections by class
	streamGarbage, silent, evicted    *metric.Counter // connections closed
}

func newCounters(r *metric.Registry) *counters {
	c := func(name, help string) *metric.Counter { return r.Counter("heliograph_port_"+name, help) }
	return &counters{
		media:         c("udp_media_total", "DTLS, SRTP and SRTCP datagrams received."),
		ice:           c("udp_ice_total", "ICE datagrams received."),
		turn:          c("udp_turn_total", "TURN datagrams received."),
		stun:          c("udp_stun_total", "Plain STUN Binding requests received."),
		garbage:       c("udp_garbage_total", "Datagrams dropped: of no protocol served here."),
		unknown:       c("udp_unknown_total", "Datagrams dropped: of no session."),
		spoofed:       c("udp_spoofed_total", "Datagrams dropped: from an address that cannot send."),
		stunLimited:   c("stun_limited_total", "Binding requests not answered: too many."),
		turnFull:      c("turn_full_total", "TURN datagrams dropped: queue full."),
		panics:        c("panics_total", "Datagrams whose handling failed; their session was forgotten."),
		sendFull:      c("send_full_total", "Sends refused by a full socket buffer."),
		gsoOff:        c("gso_off_total", "Times that segmentation by the kernel was switched off."),
		relayIn:       c("relay_in_total", "Datagrams from TURN clients to our sessions."),
		relayOut:      c("relay_out_total", "Datagrams from our sessions to TURN clients."),
		relayForeign:  c("relay_foreign_total", "Datagrams from TURN clients to an address that is not ours, dropped."),
		relayRefused:  c("relay_refused_total", "Datagrams from TURN clients that are no media, dropped."),
		relayFull:     c("relay_full_total", "Datagrams to TURN clients dropped: pipe full."),
		relayOld:      c("relay_closed_total", "Datagrams to closed relayed addresses, dropped."),
		http:          c("tcp_http_total", "HTTP connections accepted."),
		turnStreams:   c("tcp_turn_total", "TURN connections accepted."),
		streamGarbage: c("tcp_garbage_total", "Connections closed: of no protocol served here."),
		silent:        c("tcp_silent_total", "Connections closed: nothing said in time."),
		evicted:       c("tcp_evicted_total", "Silent connections closed to make room for new ones."),
	}
}
