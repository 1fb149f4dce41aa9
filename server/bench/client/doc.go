// Package client is a WebRTC viewer reduced to what it takes to be sent media:
// an offer, ICE checks, the DTLS handshake and the SRTP keys that come of it.
// A load of many viewers is made of it, so one costs a socket and, once it is
// connected, next to nothing else: packets are handed out encrypted, as they
// came, and who wants to see into one has it decrypted.
//
// It is a foreign client on purpose: it shares no code with the server's own
// WebRTC side. It knows no WHEP, no statistics and nothing of what is inside a
// packet. It is reached by UDP, directly or through a TURN server, to which it
// speaks by UDP, TCP or TLS.
package client
