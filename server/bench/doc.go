// Package bench is the load tool behind `heliograph bench`: one publisher
// feeds a stream over WHIP and many viewers watch it over WHEP, against any
// server that speaks the two.
//
// Every frame of the published clip carries the time at which it was sent, in
// an H.264 SEI message, so that a viewer knows the age of what it receives.
// From that, the RTP sequence numbers and /proc the package derives the time
// to join, the loss, the latency and the price of a viewer to the server.
//
// It is a foreign client on purpose: it shares no code with the server's own
// WebRTC side and knows nothing of streams, grants or the hub. What needs them
// is in package inside, which measures the sender without a network and a
// second process.
package bench
