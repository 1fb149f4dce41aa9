package media

import (
	"fmt"
	"time"
)

// longGOP is the longest time between keyframes that nobody complains about.
const longGOP = 4 * time.Second

// Codes of diagnoses.
const (
	codeBFrames    = "b_frames"
	codeInterlaced = "interlaced"
	codeChroma     = "chroma"
	codeH265       = "h265"
	codeMJPEG      = "mjpeg"
	codeCodec      = "codec"
)

// CodeLongGOP is the code of the one diagnosis of video that plays all the same.
const CodeLongGOP = "long_gop"

// How encoders are told.
const (
	fixBFrames = "OBS: Settings, Output, Streaming: set Max B-frames to 0, with x264 also Tune to zerolatency. " +
		"ffmpeg: -bf 0 -tune zerolatency. Camera: set the H.264 profile to Baseline and turn the smart codec (H.264+) off."
	fixInterlaced = "Send progressive pictures. OBS: use a progressive source or deinterlace it. " +
		"ffmpeg: -vf yadif and no -flags +ildct. Camera or capture device: choose 1080p, not 1080i."
	fixChroma = "Send 8 bit 4:2:0. OBS: Settings, Advanced: Color Format NV12. " +
		"ffmpeg: -pix_fmt yuv420p. Camera: set the H.264 profile to Baseline or Main."
	fixCodec = "Choose H.264. OBS: Settings, Output, Streaming: Video Encoder x264 or another H.264. " +
		"ffmpeg: -c:v libx264 -bf 0 -tune zerolatency -pix_fmt yuv420p -g 30. Camera: set the video encoding to H.264, smart codec (H.264+) off."
	fixAudio   = "Choose AAC or Opus. ffmpeg: -c:a aac. Camera: set the audio encoding to AAC or G.711."
	fixLongGOP = "Choose a keyframe each second. OBS: Settings, Output, Streaming: Keyframe Interval 1 s. " +
		"ffmpeg: -g 30 at 30 pictures a second. Camera: set the I frame interval to the frame rate and turn the smart codec (H.264+) off."
)

// Plays says whether the decoders of browsers over WebRTC show the track
// right, once they know its codec at all.
func (t Traits) Plays(c Codec) bool {
	return !t.BFrames && !t.Interlaced && t.MayPlay(c)
}

// MayPlay says whether they show it at all, maybe with combs in what moves: of
// progressive pictures some encoders say that they are interlaced. And they say
// of themselves that they send B-frames and never do.
func (t Traits) MayPlay(c Codec) bool {
	return (!t.BFrames || t.Unproven) && !t.oddColour(c)
}

// oddColour says whether the colours are coded in a way that decoders for
// WebRTC do not know. Those of VP9 and AV1 tell by their profile.
func (t Traits) oddColour(c Codec) bool {
	switch c.Name {
	case H264:
		return t.Chroma != "" && t.Chroma != "4:2:0" || t.BitDepth > 8
	case H265:
		return t.Chroma != "" && t.Chroma != "4:2:0" || t.BitDepth > 10
	}
	return false
}

// Diagnose says what browsers over WebRTC cannot play of a track, or play
// badly, the worst first; nil when all is well. A long time between keyframes
// is not said of sources that send a keyframe when they are asked: the caller
// leaves that one ("long_gop") out for them.
func Diagnose(k Kind, c Codec, t Traits) []Diagnosis {
	var list []Diagnosis
	add := func(code, text, fix string) {
		list = append(list, Diagnosis{Code: code, Kind: k.String(), Text: text, Fix: fix})
	}
	switch c.Name {
	case H264, VP8, VP9, AV1, Opus, AAC, G722, PCMU, PCMA:
	case H265:
		add(codeH265, "The pictures are H.265. Many browsers cannot play it: Firefox not at all, Chrome and Edge only with the right hardware.", fixCodec)
	case MJPEG:
		add(codeMJPEG, "The pictures are Motion JPEG. Browsers cannot play it live.", fixCodec)
	default:
		fix := fixCodec
		if k == Audio {
			fix = fixAudio
		}
		add(codeCodec, fmt.Sprintf("The %s is %.32q. No browser can play it live.", k, c.Name), fix)
	}
	if t.BFrames {
		add(codeBFrames, "The encoder sends B-frames: pictures in another order than they are shown. "+
			"Browsers cannot put them in order live.", fixBFrames)
	}
	if t.oddColour(c) {
		add(codeChroma, t.colours()+" Browsers play only 8 bit 4:2:0 live.", fixChroma)
	}
	if t.Interlaced {
		add(codeInterlaced, "The pictures are interlaced, two half pictures in each. Browsers do not join them.", fixInterlaced)
	}
	if t.KeyframeInterval > longGOP {
		// Without the number: it grows, and the diagnosis is the same.
		add(CodeLongGOP, "Keyframes are more than 4 s apart. Viewers can begin only at one, so they wait long for the first picture and after each loss.", fixLongGOP)
	}
	return list
}

func (t Traits) colours() string {
	if t.BitDepth > 8 {
		return fmt.Sprintf("The colours are coded as %d bit %s.", t.BitDepth, t.Chroma)
	}
	return fmt.Sprintf("The colours are coded as %s.", t.Chroma)
}
