//go:build unix

package limit

import "syscall"

// openFiles is how many files the system lets this process have open. The
// runtime has raised it as far as it goes.
func openFiles() uint64 {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return maxConns
	}
	return uint64(limit.Cur) //nolint:unconvert // an int64 on FreeBSD
}
