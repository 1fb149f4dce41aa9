package transcode

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"strings"
	"time"
)

// program is the ffmpeg of this machine and what it can make.
type program struct {
	path            string
	opus, aac, h264 bool
	av1             bool   // can be read, in software
	sync            string // name of the option that says how frames are timed
	why             string // what is missing, for a person; "" for nothing
}

// probeTime bounds how long ffmpeg may take for an answer about what it can do.
const probeTime = 5 * time.Second

const installHint = "Install ffmpeg on the server (for example: apt install ffmpeg) and restart it"

// probe finds ffmpeg and its encoders, until ctx ends.
func probe(ctx context.Context, path string) program {
	if path == "" {
		path = "ffmpeg"
	}
	found, err := exec.LookPath(path)
	if err != nil {
		return program{why: "Sound in AAC, as most encoders and cameras send it, cannot be heard in browsers because ffmpeg is not on this machine. " +
			installHint + "."}
	}
	encoders, err := ask(ctx, found, "-encoders")
	if err != nil {
		return program{why: "Sound in AAC cannot be heard in browsers because ffmpeg on this machine does not run (" + err.Error() + "). " + installHint + "."}
	}
	help, _ := ask(ctx, found, "-h", "long") // without it the older name is taken
	p := program{path: found, sync: "-vsync"}
	if bytes.Contains(help, []byte("-fps_mode")) {
		p.sync = "-fps_mode"
	}
	p.opus, p.aac, p.h264 = has(encoders, "libopus"), has(encoders, "aac"), has(encoders, "libx264")
	decoders, _ := ask(ctx, found, "-decoders")
	for _, name := range []string{"libdav1d", "libaom-av1", "libgav1"} {
		p.av1 = p.av1 || has(decoders, name)
	}
	p.why = lacking(p)
	return p
}

// lacking says what an ffmpeg cannot make.
func lacking(p program) string {
	var lost []string
	if !p.opus {
		lost = append(lost, "AAC sound cannot be heard in browsers (it lacks libopus)")
	}
	if !p.aac {
		lost = append(lost, "sound from browsers does not reach RTMP and SRT players (it lacks aac)")
	}
	if !p.h264 {
		lost = append(lost, "video cannot be re-encoded (it lacks libx264)")
	} else if !p.av1 {
		lost = append(lost, "video in AV1 cannot be re-encoded (it lacks libdav1d)")
	}
	if lost == nil {
		return ""
	}
	return "With the ffmpeg of this machine " + strings.Join(lost, ", and ") + ". Install one that was built with it."
}

func ask(ctx context.Context, path string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append([]string{"-nostdin", "-hide_banner", "-loglevel", "error"}, args...)...)
	cmd.Env = childEnv()
	cmd.WaitDelay = time.Second
	return cmd.Output()
}

// has finds, among encoders or decoders, a line like " A....D libopus   libopus Opus (codec opus)".
func has(list []byte, name string) bool {
	for line := range strings.Lines(string(list)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == name {
			return true
		}
	}
	return false
}

// childEnv is the environment of a child: where the server's secrets may stand
// in its own, the child gets only what it needs to start.
func childEnv() []string {
	env := []string{"LC_ALL=C"}
	for _, key := range []string{"PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}
