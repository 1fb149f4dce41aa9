//go:build !unix

package limit

// openFiles is how many files the system lets this process have open.
func openFiles() uint64 { return maxConns }
