package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/pion/webrtc/v4/pkg/media/oggreader"
)

// Rates of a clip.
const (
	clipFPS      = 30
	videoClock   = 90000
	audioClock   = 48000
	opusFrameMs  = 20
	maxClipBytes = 256 << 20
)

// clip is what the publisher sends, over and over.
type clip struct {
	frames []frame
	opus   [][]byte // frames of 20 ms
	fps    int
}

// openClip reads the files that cfg names, or makes the standard clip.
func openClip(ctx context.Context, cfg *Config) (*clip, error) {
	video, audio := "", ""
	for _, f := range cfg.Clip {
		switch clipKind(f) {
		case "video":
			video = f
		case "audio":
			audio = f
		default:
			var err error
			if video, audio, err = convertFilm(ctx, f, cfg.GOP); err != nil {
				return nil, err
			}
		}
	}
	if video == "" {
		var err error
		if video, audio, err = standardClip(ctx, cfg.GOP); err != nil {
			return nil, err
		}
	}
	return readClip(video, audio)
}

// readClip reads Annex B H.264 and Opus in Ogg. Without an audio file the
// clip has digital silence.
func readClip(video, audio string) (*clip, error) {
	raw, err := readBounded(video)
	if err != nil {
		return nil, err
	}
	c := &clip{fps: clipFPS, opus: [][]byte{{0xf8, 0xff, 0xfe}}}
	units := accessUnits(splitNALs(raw))
	for len(units) > 0 && !units[0].idr {
		units = units[1:] // cannot be decoded, and a loop must begin with a keyframe
	}
	if len(units) == 0 {
		return nil, fmt.Errorf("clip %s has no keyframe: it must be H.264 with start codes (Annex B)", video)
	}
	if len(units[0].params) < 2 {
		return nil, fmt.Errorf("clip %s has no SPS and PPS before its first keyframe", video)
	}
	for _, u := range units {
		c.frames = append(c.frames, packetise(u))
	}
	if audio == "" {
		return c, nil
	}
	if raw, err = readBounded(audio); err != nil {
		return nil, err
	}
	if c.opus, err = opusFrames(raw); err != nil {
		return nil, fmt.Errorf("clip %s: %w", audio, err)
	}
	return c, nil
}

func readBounded(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("the clip cannot be read: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxClipBytes+1))
	if err != nil {
		return nil, fmt.Errorf("the clip cannot be read: %w", err)
	}
	if len(b) > maxClipBytes {
		return nil, fmt.Errorf("clip %s is larger than %d MB: cut it to a minute", file, maxClipBytes>>20)
	}
	return b, nil
}

// opusFrames reads an Ogg file that has one Opus frame of 20 ms on a page
// (RFC 7845), as ffmpeg writes it with -page_duration 20000.
func opusFrames(ogg []byte) ([][]byte, error) {
	r, _, err := oggreader.NewWith(bytes.NewReader(ogg))
	if err != nil {
		return nil, fmt.Errorf("not Opus in Ogg: %w", err)
	}
	var frames [][]byte
	for last := uint64(0); ; {
		payload, header, err := r.ParseNextPage()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("damaged Ogg page: %w", err)
		}
		if len(payload) == 0 || bytes.HasPrefix(payload, []byte("OpusTags")) {
			continue
		}
		if len(payload) > maxPayload || header.GranulePosition > last+audioClock*opusFrameMs/1000 {
			return nil, errors.New("more than 20 ms of sound on an Ogg page: " +
				"write it with ffmpeg -c:a libopus -frame_duration 20 -page_duration 20000")
		}
		last = header.GranulePosition
		frames = append(frames, payload)
	}
	if len(frames) == 0 {
		return nil, errors.New("no sound in it")
	}
	return frames, nil
}
