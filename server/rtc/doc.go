// Package rtc lets people publish and watch by WebRTC. Three doors lead in,
// WHIP (RFC 9725), WHEP (draft-ietf-wish-whep) and a channel of the WebSocket
// protocol; behind them one session, one check and one set of limits is shared.
// The media are received by the package ingest and sent by the package egress.
//
// It knows no user and no page: who may do what is the auth.Checker's to say,
// and what is kept of a stream is the hub's.
package rtc
