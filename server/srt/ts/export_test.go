package ts

// Checksum is for tests that write tables.
func Checksum(b []byte) uint32 { return checksum(b) }
