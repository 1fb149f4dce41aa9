package push

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
)

// sentence says why a target does not take the stream. detail is the error,
// without secrets: the Sender's own sentence knows more than ours, if it is one.
func sentence(why netguard.Reason, u *url.URL, private, played bool, detail string) string {
	host := u.Hostname()
	told, ok := redact.Sentence(detail)
	switch {
	case why == netguard.Refusal:
		return refused(host, private)
	case ok:
		return told + " It is tried again."
	case why == netguard.Unknown:
		return fmt.Sprintf("No host is named %s. Check the address.", host)
	case why == netguard.Closed:
		return fmt.Sprintf("%s is there, but refuses the connection. Check the address and its port.", host)
	case why == netguard.NoWay:
		return fmt.Sprintf("There is no way to %s from this server. Check the address.", host)
	case why == netguard.Silent && !played:
		return fmt.Sprintf("%s does not answer. Check the address; it is tried again.", host)
	case why == netguard.Silent:
		return fmt.Sprintf("%s takes the stream too slowly or not at all. Check this server's upload speed; it is tried again.", host)
	case why == netguard.Broken && played:
		return fmt.Sprintf("The connection to %s broke off. It is tried again.", host)
	case why == netguard.Broken:
		return fmt.Sprintf("%s closed the connection. Check the stream key, it is often the reason; it is tried again.", host)
	}
	return fmt.Sprintf("%s does not take the stream: %s. It is tried again.", host, strings.TrimRight(detail, "."))
}

// refused says why the guard lets nothing through to a host. It promises no next
// try, which will hardly help.
func refused(host string, private bool) string {
	if private {
		return fmt.Sprintf("%s is an address that belongs to no server. Check the address.", host)
	}
	return fmt.Sprintf("%s is on this server's own or a private network. Only a push that an admin adds may go there.", host)
}
