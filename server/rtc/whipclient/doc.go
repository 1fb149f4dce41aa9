// Package whipclient publishes streams of the hub to other servers by WHIP
// (RFC 9725). It takes the packets of the hub's tracks as they are and knows no
// stream but the one it is given.
package whipclient
