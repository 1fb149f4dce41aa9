// Package offer reads what clients send to set up WebRTC: SDP offers, checked
// and bounded before anything is allocated for them, and the fragments that
// trickle ICE candidates. It is pure: it knows no connection and no stream.
package offer
