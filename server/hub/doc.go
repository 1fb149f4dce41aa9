// Package hub is the heart of the server: streams, their tracks, who feeds and
// who watches them. It knows no protocol, no HTTP and no user.
//
// A stream outlives its publications: when a publisher goes away its viewers
// stay for a grace time, and the next publication goes on in the same stream,
// with sequence numbers and timestamps that continue.
//
// Locks nest in one order: Hub, then Stream, then Track. No callback, channel
// send or call into another package happens while one is held.
package hub
