package media

import "time"

// secondsTo1970 are those from 1900, where NTP begins.
const secondsTo1970 = 2_208_988_800

// NTP returns a time as sender reports have it: seconds since 1900 in 32.32
// fixed point (RFC 3550 section 4).
func NTP(t time.Time) uint64 {
	return uint64(t.Unix()+secondsTo1970)<<32 | uint64(t.Nanosecond())<<32/1e9
}

// NTPUnixNano turns an NTP time into ns since 1970.
func NTPUnixNano(ntp uint64) int64 {
	seconds, fraction := int64(ntp>>32)-secondsTo1970, ntp&0xffff_ffff
	return seconds*1e9 + int64(fraction*1e9>>32)
}
