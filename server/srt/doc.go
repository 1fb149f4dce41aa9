// Package srt is the door for SRT: it takes publications in MPEG transport
// streams, plays streams to whoever asks, and sends streams to other servers.
// It knows the hub and frames, and no other protocol.
package srt
