// Package egress sends streams to WebRTC viewers. A viewer is data, not
// goroutines: it has a place in each track's ring and a pair of SRTP contexts,
// and a shard, one goroutine per core, sends to all of its viewers in turn, one
// system call for each viewer and burst.
//
// The server is an ICE-lite agent (RFC 8445 section 2.5) and the passive side
// of DTLS: it answers checks and never sends one, so nothing leaves for an
// address from which no check with the session's password came. That the check
// came from where it says is not proved: whoever has a session and can forge
// addresses can have its stream sent elsewhere, as with every ICE-lite agent.
// SDP is answered here too; which door the offer came through is not known.
package egress
