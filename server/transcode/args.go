package transcode

import (
	"strconv"

	"github.com/heliograph/heliograph/server/media"
)

// The arguments of a child hold nothing of a source's but numbers.

// inputArgs read Matroska from the standard input as it comes. Each further
// thread of a decoder holds a frame. (-fflags nobuffer is no help: it loses the
// packet with which ffmpeg finds out what it reads, of video the keyframe.)
func inputArgs(threads int) []string {
	return []string{
		"-nostdin", "-hide_banner", "-loglevel", "error", "-copyts",
		"-probesize", "32", "-analyzeduration", "0", "-threads", strconv.Itoa(threads),
		"-f", "matroska", "-i", "pipe:0",
	}
}

// Sizes of what audio is made into.
const (
	outputRate     = 48000 // samples a second, of both targets
	outputChannels = 2

	opusBitrate     = 96_000
	opusSamples     = 960                                        // of a packet: 20 ms
	opusPacketBytes = opusBitrate / 8 * opusSamples / outputRate // at a constant bit rate exactly
	opusLookahead   = 120                                        // samples that -application lowdelay begins before the first

	aacBitrate   = 160_000
	aacSamples   = 1024
	aacLookahead = 1024
)

// audioArgs make the child's arguments for one target. The filter fills the
// gaps that frames left and takes out what is twice, from 20 ms on, and
// follows a drift of timestamps smoothly, so that samples counted from zero
// are time.
func audioArgs(target string) []string {
	args := append(inputArgs(1), "-map", "0:a:0",
		"-af", "aresample=48000:async=100:min_comp=0.005:min_hard_comp=0.015:first_pts=0,aformat=channel_layouts=stereo",
		"-threads", "1")
	if target == media.Opus {
		return append(args, "-c:a", "libopus", "-application", "lowdelay", "-frame_duration", "20",
			"-b:a", strconv.Itoa(opusBitrate), "-vbr", "off", "-flush_packets", "1", "-f", "data", "pipe:1")
	}
	return append(args, "-c:a", "aac", "-profile:a", "aac_low", "-b:a", strconv.Itoa(aacBitrate),
		"-flush_packets", "1", "-flvflags", "no_metadata+no_sequence_end+no_duration_filesize", "-f", "flv", "pipe:1")
}

// Bounds of what video is made into.
const (
	maxBitrate     = 8_000_000
	minBitrate     = 200_000
	unknownBitrate = 2_500_000
	unknownFPS     = 30
	pixelsPerBit   = 10 // where a source's rate is not known yet

	maxDecoderThreads = 4
	oneThreadPixels   = 1920 * 1088 // that one core decodes in time
)

// videoArgs make the child's arguments for H264 that everybody plays.
// zerolatency spends a frame's share of the rate by the frames a second that it
// was told, since by timestamps it would have to wait for the next frame.
func videoArgs(codec string, t media.Traits, scale, sync string) []string {
	threads := 1
	if t.Width*t.Height > oneThreadPixels {
		threads = maxDecoderThreads
	}
	filter := scale + ",format=yuv420p"
	if t.Interlaced {
		filter = "yadif=mode=send_frame:deint=interlaced," + filter
	}
	rate := strconv.Itoa(bitrate(codec, t))
	args := append([]string{"-max_pixels", strconv.Itoa(maxPixels)}, inputArgs(threads)...)
	return append(args, "-map", "0:v:0", "-vf", filter, sync, "passthrough", "-enc_time_base", "1/90000",
		"-c:v", "libx264", "-preset", "veryfast", "-tune", "zerolatency", "-profile:v", "baseline", "-bf", "0",
		"-g", "600", "-sc_threshold", "0", "-force_key_frames", "expr:if(isnan(prev_forced_t),1,gte(t,prev_forced_t+1))",
		"-b:v", rate, "-maxrate", rate, "-bufsize", rate, "-threads", "0",
		"-flush_packets", "1", "-flvflags", "no_metadata+no_sequence_end+no_duration_filesize", "-f", "flv", "pipe:1")
}

func fps(t media.Traits) float64 {
	if t.FPS < 1 || t.FPS > 240 {
		return unknownFPS
	}
	return t.FPS
}

// bitrate is the source's, and half more for a codec that does with less. A
// browser's says nothing about the next minute: it gets no less than what
// pictures of its size need.
func bitrate(codec string, t media.Traits) int {
	rate, need := min(t.Bitrate, maxBitrate), int(float64(t.Width*t.Height)*fps(t)/pixelsPerBit)
	switch codec {
	case media.H265:
		rate = rate * 3 / 2
	case media.VP8, media.VP9, media.AV1:
		rate = max(rate*3/2, need)
	}
	if rate == 0 {
		rate = need
	}
	if rate == 0 {
		return unknownBitrate
	}
	return min(max(rate, minBitrate), maxBitrate)
}
