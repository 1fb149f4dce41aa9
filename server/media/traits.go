package media

import "time"

// Traits are what a track's pictures or sound turn out to be, as far as they
// have been seen; zero where nothing is known yet.
type Traits struct {
	// video
	Width, Height    int     // pixels shown
	FPS              float64 // frames a second
	BFrames          bool    // frames are sent in another order than they are shown
	Unproven         bool    // BFrames is what the encoder says of itself: none was seen
	Interlaced       bool
	Chroma           string // "4:2:0", "4:2:2", "4:4:4", "4:0:0"
	BitDepth         int
	KeyframeInterval time.Duration

	// audio
	SampleRate, Channels int

	// both
	Bitrate int // bit/s
}

// Diagnosis says what is wrong with a track for those who watch in browsers.
type Diagnosis struct {
	Code string `json:"code"` // for programs, like "b_frames"
	Kind string `json:"kind"` // of the track
	Text string `json:"text"` // what happened and why
	Fix  string `json:"fix"`  // the encoder's setting that cures it
}
