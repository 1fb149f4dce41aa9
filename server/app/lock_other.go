//go:build !(linux || darwin || freebsd || netbsd || openbsd)

package app

import "os"

// hold locks nothing: this system has no flock. A second server is noticed
// only by the port, if that is the same.
func hold(*os.File) error { return nil }
