package port

import "fmt"

// Type preferences of our host candidates (RFC 8445 section 5.1.2.2, RFC 6544
// section 4.2): one over TCP is for those that UDP does not reach.
const (
	preferenceUDP = 126
	preferenceTCP = 90
)

// passive is the direction preference of a TCP candidate that is connected to
// (RFC 6544 section 4.2).
const passive = 4

// Candidates lists the values of the candidate attributes (RFC 8839 section
// 5.1) that tell a client of every way to the announced addresses, the first
// preferred: all by UDP, then all by TCP (RFC 6544 section 4.5).
func (p *Port) Candidates() []string {
	announced := p.Announced()
	n := len(announced)
	list := make([]string, 0, 2*n)
	for i, a := range announced {
		priority := preferenceUDP<<24 | (1<<16-1-i)<<8 | 255
		list = append(list, fmt.Sprintf("%d 1 udp %d %s %d typ host", i+1, priority, a.Addr(), a.Port()))
	}
	for i, a := range announced {
		priority := preferenceTCP<<24 | (passive<<13|(1<<13-1-i))<<8 | 255
		list = append(list, fmt.Sprintf("%d 1 tcp %d %s %d typ host tcptype passive", n+i+1, priority, a.Addr(), a.Port()))
	}
	return list
}
