package web

import (
	"encoding/json"
	"errors"
)

const (
	protocolVersion = 1
	maxChannelName  = 32   // bytes
	maxHelloToken   = 4096 // bytes; the message's own limit comes first
)

// errEnvelope is returned for a message that is no JSON object of ours.
var errEnvelope = errors.New("a message is one JSON object with a type")

// envelope is what the door itself reads of each message.
type envelope struct {
	Ch      string   `json:"ch"`
	Type    string   `json:"type"`
	Version int      `json:"version"` // of hello
	Token   string   `json:"token"`   // of hello
	T       *float64 `json:"t"`       // of ping
}

// parseEnvelope reads the door's part of a message. A message for a channel is
// checked no further than that it is JSON: the rest is the channel's.
func parseEnvelope(b []byte) (envelope, error) {
	var head struct {
		Ch   *string `json:"ch"`
		Type string  `json:"type"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return envelope{}, errEnvelope
	}
	if head.Ch != nil {
		if *head.Ch == "" || len(*head.Ch) > maxChannelName {
			return envelope{}, errEnvelope
		}
		return envelope{Ch: *head.Ch, Type: head.Type}, nil
	}
	var e envelope
	if err := json.Unmarshal(b, &e); err != nil || e.Type == "" || len(e.Token) > maxHelloToken {
		return envelope{}, errEnvelope
	}
	return e, nil
}

// What the door itself sends.
type (
	welcome struct {
		Type    string  `json:"type"`
		Version int     `json:"version"`
		Server  string  `json:"server"`
		Time    float64 `json:"time"` // ms since 1970
		User    any     `json:"user,omitempty"`
	}
	pong struct {
		Type string   `json:"type"`
		T    *float64 `json:"t,omitempty"`
		Time float64  `json:"time"` // ms since 1970
	}
	failure struct {
		Type       string `json:"type"`
		Code       string `json:"code"`
		Message    string `json:"message"`
		RetryAfter int    `json:"retryAfter,omitempty"` // s
	}
)
