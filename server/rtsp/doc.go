// Package rtsp lets encoders and cameras speak RTSP and RTSPS (RFC 2326) with
// the server: it takes what they publish (ANNOUNCE and RECORD), plays streams to
// them (DESCRIBE and PLAY), pulls cameras and sends streams to other servers, by
// UDP or interleaved in TCP.
//
// RTP payloads go to and from the hub as they are: nothing is taken apart that
// fits. The package knows nobody's rights; who may do what says its Checker,
// and which cameras and servers there are says its caller.
package rtsp
