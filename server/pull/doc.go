// Package pull keeps the streams that this server fetches by itself: cameras,
// and other servers. It remembers them, connects to each at the right time,
// again when it failed, and says in a sentence how each is doing. It decides
// which addresses may be reached. It does not know the protocol: an Opener plays
// a camera into the hub.
package pull
