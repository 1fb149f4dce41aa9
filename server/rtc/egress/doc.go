// Package egress sends streams to WebRTC viewers. A viewer is data, not
// goroutines: it has a place in each track's ring and a pair of SRTP contexts,
// and a shard, one goroutine per core, sends to all of its viewers in turn, one
// system call for each viewer and burst.
//
// The server is an ICE-lite agent (RFC 8445 section 2.5) and the passive side
// of DTLS. Whoever has a session and can forge addresses does not get its stream
// sent to a stranger: media go where DTLS was finished by who gets our side of
// it, and to any other address only after the viewer has answered a check of ours
// there. SDP is answered here too; which door the offer came through is not
// known.
package egress
