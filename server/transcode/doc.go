// Package transcode makes a track out of another one where a sink cannot take
// what the source sends: Opus out of AAC and AAC out of Opus, and, when the
// operator wants it, H264 that everybody plays out of other video: of what
// browsers do not play for them, of what browsers send for everybody else.
// An ffmpeg child does the work of each track; without ffmpeg on the machine
// the package offers nothing and says why. It knows the hub's tracks and no
// protocol, no viewer and no settings file.
package transcode
