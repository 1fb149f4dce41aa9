package clip

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	clipVersion = 1 // raise it when the encoder settings below change
	clipSeconds = 10
	filmSeconds = 60
)

// standardClip returns the files of the generated clip, a moving test picture
// and a tone, made by ffmpeg at the first call and kept in the user's cache.
func standardClip(ctx context.Context, gop time.Duration) (video, audio string, err error) {
	// A whole number of GOPs keeps the keyframes' distance over the loop.
	n := math.Ceil(float64(clipSeconds*time.Second) / float64(gop))
	seconds := strconv.FormatFloat(n*gop.Seconds(), 'f', 3, 64)
	in := input{seconds: seconds, args: []string{
		// Noise makes the encoder need its bit rate, so that frames have the size of real ones.
		"-f", "lavfi", "-i", "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t",
		"-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.3:sample_rate=48000",
	}}
	name := fmt.Sprintf("clip%d-720p30-2000k-gop%d", clipVersion, gop.Milliseconds())
	return encodeOnce(ctx, name, in, gop)
}

// convertFilm brings any file that ffmpeg can read into the form of the
// standard clip: the picture of its first minute, kept in the cache until the file changes.
func convertFilm(ctx context.Context, film string, gop time.Duration) (video, audio string, err error) {
	info, err := os.Stat(film)
	if err != nil {
		return "", "", fmt.Errorf("the clip cannot be read: %w", err)
	}
	path, err := filepath.Abs(film)
	if err != nil {
		return "", "", fmt.Errorf("the clip cannot be read: %w", err)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %d %d", path, info.Size(), info.ModTime().UnixNano()))
	name := fmt.Sprintf("film%d-%x-gop%d", clipVersion, sum[:8], gop.Milliseconds())
	in := input{seconds: strconv.Itoa(filmSeconds), args: []string{
		"-i", path, "-f", "lavfi", "-i", "anoisesrc=color=pink:amplitude=0.1:sample_rate=48000",
	}}
	return encodeOnce(ctx, name, in, gop)
}

// input is what ffmpeg reads: the picture from its first source, the sound
// from its second. A film keeps its picture only; what is heard in a load
// test does not matter, and not every film has a sound track.
type input struct {
	args    []string
	seconds string
}

// encodeOnce runs ffmpeg with the inputs in, unless both files are there.
func encodeOnce(ctx context.Context, name string, in input, gop time.Duration) (video, audio string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", "", fmt.Errorf("there is no cache directory for the clip (set HOME or XDG_CACHE_HOME, or give --clip): %w", err)
	}
	dir := filepath.Join(cache, "heliograph", "bench")
	video, audio = filepath.Join(dir, name+".h264"), filepath.Join(dir, name+".ogg")
	if isFile(video) && isFile(audio) {
		return video, audio, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("the cache directory for the clip cannot be made: %w", err)
	}
	work, err := os.MkdirTemp(dir, "making-")
	if err != nil {
		return "", "", fmt.Errorf("the cache directory for the clip cannot be written: %w", err)
	}
	defer os.RemoveAll(work)
	newVideo, newAudio := filepath.Join(work, "v.h264"), filepath.Join(work, "a.ogg")
	if err := runFFmpeg(ctx, encodeArgs(in, gop, newVideo, newAudio)); err != nil {
		return "", "", err
	}
	if err := errors.Join(os.Rename(newVideo, video), os.Rename(newAudio, audio)); err != nil {
		return "", "", fmt.Errorf("the clip cannot be kept: %w", err)
	}
	return video, audio, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// encodeArgs are the settings of a live encoder: constrained baseline, 2 Mbit/s
// with a short buffer, no reordering, one slice per picture.
func encodeArgs(in input, gop time.Duration, video, audio string) []string {
	frames := strconv.Itoa(max(1, int(math.Round(gop.Seconds()*framesPerSecond))))
	args := append([]string{"-hide_banner", "-loglevel", "error", "-nostdin", "-y"}, in.args...)
	args = append(args, "-map", "0:v:0", "-t", in.seconds, "-r", strconv.Itoa(framesPerSecond), "-s", "1280x720",
		"-pix_fmt", "yuv420p", "-c:v", "libx264", "-profile:v", "baseline", "-level", "3.1",
		"-preset", "veryfast", "-bf", "0", "-b:v", "2M", "-minrate", "2M", "-maxrate", "2M", "-bufsize", "1M",
		"-g", frames, "-keyint_min", frames,
		"-x264-params", "scenecut=0:slices=1:nal-hrd=cbr", "-f", "h264", video)
	return append(args, "-map", "1:a:0", "-t", in.seconds, "-ac", "2", "-ar", "48000",
		"-c:a", "libopus", "-b:a", "64k", "-vbr", "off", "-frame_duration", "20",
		"-page_duration", "20000", "-f", "ogg", audio)
}

// runFFmpeg runs ffmpeg, and says what to do where there is none.
func runFFmpeg(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, "ffmpeg", args...)
	var out bytes.Buffer
	cmd.Stderr = &out
	err := cmd.Run()
	if errors.Is(err, exec.ErrNotFound) {
		return fmt.Errorf("ffmpeg was not found, and it has to make the test clip once: install it "+
			"(Debian: apt install ffmpeg) or give a clip of your own with --clip FILE.h264. "+
			"The command is: ffmpeg %s", strings.Join(args, " "))
	}
	if err != nil {
		text := strings.TrimSpace(out.String())
		return fmt.Errorf("ffmpeg could not make the clip: %w: %s", err, text[:min(len(text), 500)])
	}
	return nil
}
