package rtc

import (
	"encoding/json"

	"github.com/heliograph/heliograph/server/hub"
)

// The messages of the channel, as server/web/PROTOCOL.md describes them.

// clientMessage is any message from a client; each type uses some fields.
type clientMessage struct {
	Type      string          `json:"type"`
	ID        string          `json:"id"`
	Stream    string          `json:"stream"`
	SDP       string          `json:"sdp"`
	Token     string          `json:"token"`
	Title     string          `json:"title"`
	Resume    string          `json:"resume"`
	Session   string          `json:"session"`
	JPEG      []byte          `json:"jpeg"` // base64 on the wire
	Candidate json.RawMessage `json:"candidate"`
}

type answerMessage struct {
	Ch         string      `json:"ch"`
	Type       string      `json:"type"`
	ID         string      `json:"id"`
	SDP        string      `json:"sdp"`
	Session    string      `json:"session,omitempty"`
	Resume     string      `json:"resume,omitempty"`
	ICEServers []ICEServer `json:"iceServers,omitempty"`
}

type iceMessage struct {
	Ch         string      `json:"ch"`
	Type       string      `json:"type"`
	ICEServers []ICEServer `json:"iceServers"`
}

type streamMessage struct {
	Ch     string   `json:"ch"`
	Type   string   `json:"type"`
	Stream hub.Info `json:"stream"`
}

type dataMessage struct {
	Ch     string          `json:"ch"`
	Type   string          `json:"type"`
	Stream string          `json:"stream"`
	Name   string          `json:"name"`
	Time   float64         `json:"time"`          // ms since 1970
	RTP    *uint32         `json:"rtp,omitempty"` // timestamp of the picture that it belongs to
	Value  json.RawMessage `json:"value"`
}

func newData(stream string, d hub.Data) dataMessage {
	m := dataMessage{Ch: "rtc", Type: "data", Stream: stream, Name: d.Name, Time: float64(d.At.UnixMicro()) / 1000, Value: d.Value}
	if d.Timed {
		m.RTP = &d.Stamp
	}
	return m
}

type stoppedMessage struct {
	Ch         string `json:"ch"`
	Type       string `json:"type"`
	ID         string `json:"id"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	RetryAfter int    `json:"retryAfter,omitempty"`
}

type errorMessage struct {
	Ch         string `json:"ch"`
	Type       string `json:"type"`
	ID         string `json:"id,omitempty"`
	Code       string `json:"code"`
	Message    string `json:"message"`
	Codec      string `json:"codec,omitempty"`
	RetryAfter int    `json:"retryAfter,omitempty"`
}

func newError(id string, err error) errorMessage {
	f := explain(err)
	return errorMessage{Ch: "rtc", Type: "error", ID: id, Code: f.code, Message: f.detail, Codec: f.codec, RetryAfter: f.retry}
}

func newStopped(id string, reason error) stoppedMessage {
	f := explain(reason)
	return stoppedMessage{Ch: "rtc", Type: "stopped", ID: id, Code: f.code, Message: f.detail, RetryAfter: f.retry}
}
