// Package onvif finds cameras on the local networks and asks them for the
// addresses of their streams. It does so when it is called and never by itself,
// speaks to private addresses only, and knows nothing of sources or streams of
// this server.
//
// It speaks the four calls that this takes by itself. The Go library for ONVIF
// (use-go/onvif 0.0.9) was looked at and left out: an answer of a hostile device
// ends the process (it indexes and panics on what it reads), answers are read
// without a bound, discovery cannot be given a time, nonces come from a
// predictable source, and the camera's clock is not asked for, without which a
// camera whose clock is wrong refuses the right password.
package onvif
