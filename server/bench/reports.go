package bench

import (
	"time"

	"github.com/heliograph/heliograph/server/bench/feedback"
)

// What a browser sends back, and how often.
const (
	reportEvery   = time.Second
	feedbackEvery = 100 * time.Millisecond
	consentEvery  = 5 * time.Second
)

// senderReport is what the latest sender report of a stream said.
type senderReport struct {
	middle  uint32 // the middle of its NTP time
	arrived int64  // ns of Unix time
}

// sentBack counts what a viewer told the server since the last mark.
type sentBack struct {
	reports, feedback uint64
}

// noteSenderReport takes a decrypted compound packet of the server's.
func (r *receiver) noteSenderReport(b []byte, arrived int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	feedback.SenderReports(b, func(ssrc, middle uint32) {
		switch ssrc {
		case r.video.ssrc:
			r.video.sr = senderReport{middle, arrived}
		case r.audio.ssrc:
			r.audio.sr = senderReport{middle, arrived}
		}
	})
}

// appendReport appends a receiver report on the streams that came.
func (r *receiver) appendReport(b []byte, now int64) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	var blocks [2]feedback.Block
	n := 0
	for _, s := range []*sequence{&r.video, &r.audio} {
		if s.started {
			blocks[n] = s.block(now)
			n++
		}
	}
	r.sent.reports++
	return feedback.AppendReport(b, blocks[:n]...)
}

// block is the report on one stream at now.
func (s *sequence) block(now int64) feedback.Block {
	c := s.all()
	k := feedback.Block{SSRC: s.ssrc, Lost: c.Lost, Highest: uint32(s.top - 1<<16), Report: s.sr.middle}
	if c.Lost > s.told.Lost && c.Expected > s.told.Expected {
		k.Fraction = uint8(min(255, (c.Lost-s.told.Lost)<<8/(c.Expected-s.told.Expected)))
	}
	s.told = c
	if k.Report != 0 {
		k.Delay = uint32((now - s.sr.arrived) << 16 / int64(time.Second))
	}
	return k
}

// appendFeedback appends transport-wide feedback, if the server numbers its
// packets. A server that did not agree to reduced size gets it behind an empty
// report (RFC 5506).
func (r *receiver) appendFeedback(b []byte, reduced bool) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	start := len(b)
	if !reduced {
		b = feedback.AppendReport(b)
	}
	before := len(b)
	if b = r.feedback.AppendTo(b, r.video.ssrc); len(b) == before {
		return b[:start]
	}
	r.sent.feedback++
	return b
}
