// Package web is the HTTP door: the web app, REST, WebSocket, health and
// metrics, on whatever listener it is given. PROTOCOL.md describes its
// WebSocket. It hands signalling to the channels and handlers that were
// registered, and knows neither what they say nor what a packet is.
package web
