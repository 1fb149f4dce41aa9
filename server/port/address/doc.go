// Package address finds out under which addresses clients reach the one port:
// from the settings, from the interfaces, and by asking a STUN server where the
// world sees the UDP socket. It looks again while the server runs, and says in
// words what that means for whom.
//
// It knows no session and reads no socket but at start: later the answers of the
// STUN server are shown to it.
package address
