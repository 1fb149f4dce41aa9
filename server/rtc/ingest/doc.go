// Package ingest receives what WebRTC publishers send. A publication is a pion
// PeerConnection that only answers: ICE-lite, so that nothing goes to an address
// that somebody merely named, on the server's one port. Lost packets are
// asked for by a scheduler of our own.
//
// It is a hub.Source and knows no door, no session and no user.
package ingest
