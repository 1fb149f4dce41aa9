package turn

import (
	"net/netip"

	"github.com/heliograph/heliograph/server/port/limit"
)

// Answers a second. Those to clients unknown go to addresses that may be
// forged, and are longer than the question (a 401 has some 80 bytes for 28);
// ten a second from one network multiply nothing worth having.
const (
	unauthorizedPerSource = 10
	unauthorizedTotal     = 2000
	requestsPerSource     = 200
	requestsTotal         = 20000
)

// limits bounds what clients may ask.
type limits struct {
	requests     *limit.Sources // requests looked at
	unauthorized *limit.Sources // answers to clients unknown
}

func newLimits() *limits {
	return &limits{
		requests:     limit.NewSources(requestsPerSource, requestsTotal),
		unauthorized: limit.NewSources(unauthorizedPerSource, unauthorizedTotal),
	}
}

// request says whether a request may cost us its parsing and its HMAC.
func (l *limits) request(from netip.Addr) bool { return l.requests.Allow(from) }

// unknown says whether a request without a valid credential gets an answer.
func (l *limits) unknown(from netip.Addr) bool { return l.unauthorized.Allow(from) }
