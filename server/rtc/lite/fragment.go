package lite

import (
	"fmt"
	"strings"
)

// Fragment returns the trickle-ice-sdpfrag (RFC 8840 section 9) that answers an
// ICE restart: new credentials, all candidates, and what else of ICE the answer
// had. section is the m-line and the mid that the client's fragment began with.
func Fragment(c Credentials, candidates []string, section []string) string {
	var b strings.Builder
	b.WriteString("a=ice-lite\r\n")
	for _, line := range section {
		b.WriteString(line + "\r\n")
	}
	fmt.Fprintf(&b, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", c.Ufrag, c.Password)
	for _, candidate := range candidates {
		fmt.Fprintf(&b, "a=candidate:%s\r\n", candidate)
	}
	b.WriteString("a=end-of-candidates\r\n")
	return b.String()
}
