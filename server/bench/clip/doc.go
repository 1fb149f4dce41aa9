// Package clip is what the load tool publishes: an H.264 and Opus clip, read
// from files or made by ffmpeg, cut into RTP payloads, with room for a time
// stamp in every frame; and the reading of those stamps. It knows no network
// and no server.
package clip
