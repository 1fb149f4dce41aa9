package turn

import "github.com/heliograph/heliograph/server/metric"

// counters are the numbers of the TURN server.
type counters struct {
	unauthorized, limited, malformed *metric.Counter
	refused, quota, forbidden        *metric.Counter
	capped, foreign                  *metric.Counter
	streams, streamErrors            *metric.Counter
}

func newCounters(r *metric.Registry, s *Server) *counters {
	c := func(name, help string) *metric.Counter { return r.Counter("heliograph_turn_"+name, help) }
	r.GaugeFunc("heliograph_turn_allocations", "Relayed addresses in use.", func() float64 { return float64(s.allocations.len()) })
	return &counters{
		unauthorized: c("unauthorized_total", "Requests answered with 401: no or no valid credential."),
		limited:      c("limited_total", "Requests not answered: too many from one network or in all."),
		malformed:    c("malformed_total", "Messages dropped: not understood."),
		refused:      c("refused_total", "Requests of valid credentials answered with an error by the gate."),
		quota:        c("quota_total", "Allocations refused: too many."),
		forbidden:    c("forbidden_total", "Requests for a peer that is not this server, refused."),
		capped:       c("capped_total", "Datagrams dropped: allocation over its bandwidth."),
		foreign:      c("foreign_total", "Datagrams to a peer that is not this server, dropped."),
		streams:      c("streams_total", "TCP connections served."),
		streamErrors: c("stream_errors_total", "TCP connections closed: bad framing, too slow or too many."),
	}
}
