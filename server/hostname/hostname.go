// Package hostname tells the names of hosts from other text. It looks none up,
// and addresses are no names to it, though those of IPv4 look like some.
package hostname

import "regexp"

// maxLength is that of a name in the DNS, in bytes (RFC 1035 section 2.3.4).
const maxLength = 253

var name = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)

// Valid tells whether a host may have s for a name (RFC 1123 section 2.1).
func Valid(s string) bool { return len(s) <= maxLength && name.MatchString(s) }
