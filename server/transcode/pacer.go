package transcode

import (
	"errors"
	"time"
)

// Steps of a source's audio timestamps against what its frames last.
const (
	// Up to the first the steps are jitter (RTMP counts whole milliseconds, some
	// encoders stamp frames when they send them) and only steer.
	jitter = 20 * time.Millisecond
	// Beyond it frames are missing, at once when it is more than the second, or
	// after as many frames in a row.
	certain = 60 * time.Millisecond
	inARow  = 3
	// Beyond the third the source began anew.
	anew = 500 * time.Millisecond
)

// errGap ends a session: the source's time jumped and a new child begins where
// it goes on.
var errGap = errors.New("the source's time jumped")

// pacer puts audio frames one behind the other on an even time line, as long as
// their timestamps agree with what they last. The zero value works.
type pacer struct {
	begun bool
	next  time.Duration // where a frame without jitter begins
	off   int           // frames in a row whose timestamps disagree
}

// place returns where a frame of a length begins whose own timestamp says at.
func (p *pacer) place(at, length time.Duration) (time.Duration, error) {
	if !p.begun {
		p.begun, p.next = true, at
	}
	step := at - p.next
	switch size := step.Abs(); {
	case size > anew:
		return 0, errGap
	case size > certain:
		p.next, p.off = at, 0
	case size > jitter:
		if p.off++; p.off >= inARow {
			p.next, p.off = at, 0
		}
	default:
		p.off = 0
		most := length / 500 // at most 0.2 % faster or slower: nobody hears it
		p.next += min(max(step/16, -most), most)
	}
	at = p.next
	p.next += length
	return at, nil
}
