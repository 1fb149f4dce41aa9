package hub

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/heliograph/heliograph/server/media"
)

// Bounds on the data messages of a publication.
const (
	MaxData   = 64 << 10              // bytes of one
	dataEvery = 20 * time.Millisecond // one on average
	dataBurst = 50
	dataRate  = 128 << 10 // bytes a second: each is copied for every follower
)

// Errors of data messages.
var (
	ErrData      = errors.New("a data message has at most 64 KiB of JSON")
	ErrDataQuick = errors.New("data messages come at most 50 and 128 KiB a second")
)

// metadataName is the data message that describes a whole stream (Adobe Flash
// Video File Format Specification, section E.5): who comes later gets the last.
const metadataName = "onMetaData"

// Data is one message of a stream's data track.
type Data struct {
	Name  string
	Value json.RawMessage // an array of the message's values
	At    time.Time       // the moment it belongs to, on the server's clock
	Stamp uint32          // the video's RTP timestamp then
	Timed bool            // there is a Stamp
}

// WriteData tells all who follow the stream of a data message. It returns
// ErrData, ErrDataQuick or ErrReplaced.
func (p *Publication) WriteData(d Data) error {
	if len(d.Value) > MaxData || !json.Valid(d.Value) {
		return ErrData
	}
	if t := p.stream.Track(media.Video); t != nil {
		d.Stamp, d.Timed = t.StampAt(d.At)
	}
	s := p.stream
	s.mu.Lock()
	if s.publication != p {
		s.mu.Unlock()
		return ErrReplaced
	}
	now := time.Now()
	if p.dataDue.Sub(now) > dataBurst*dataEvery {
		s.mu.Unlock()
		return ErrDataQuick
	}
	p.dataDue = later(p.dataDue, now).Add(max(dataEvery, time.Duration(len(d.Value))*time.Second/dataRate))
	if d.Name == metadataName {
		s.metadata = &d
	}
	s.mu.Unlock()
	s.hub.announce(Event{Kind: StreamData, Info: Info{Name: s.name}, Data: &d})
	return nil
}

// Metadata returns the last message that described the whole stream, nil for
// none.
func (h *Hub) Metadata(stream string) *Data {
	s := h.find(stream)
	if s == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.metadata
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
