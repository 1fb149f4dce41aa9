//go:build !unix

package port

// openFiles is how many files the system lets this process have open.
func openFiles() uint64 { return maxOpen }
