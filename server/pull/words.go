package pull

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/netguard"
	"github.com/heliograph/heliograph/server/redact"
	"github.com/heliograph/heliograph/server/retry"
)

// words say a state to the two kinds of people who see it.
type words struct {
	owner  string // may name the camera's address
	viewer string // does not
}

func unwatched() words {
	return words{owner: "Starts when somebody watches.", viewer: "The camera of this stream is not connected yet."}
}

func connecting(u *url.URL) words {
	return words{owner: "Connecting to " + u.Hostname() + ".", viewer: "The camera of this stream is being connected."}
}

func playing(watched bool) words {
	if watched {
		return words{owner: "On air. Stops 10 s after the last viewer has left."}
	}
	return words{owner: "On air."}
}

func off() words {
	return words{owner: "The server is stopping.", viewer: "The server is stopping."}
}

// diagnosis is what an error of an Opener means.
type diagnosis struct {
	state  State
	reason netguard.Reason
	played time.Time // when the camera was live the last time, zero for never
}

// recent is for how long after it was live a camera that is away is expected
// back at once: it may be restarting.
const recent = time.Hour

func (d diagnosis) lately() bool { return time.Since(d.played) < recent }

func diagnose(err error) diagnosis {
	switch {
	case errors.Is(err, netguard.ErrRefused):
		return diagnosis{state: Refused}
	case errors.Is(err, hub.ErrBusy):
		return diagnosis{state: Waiting}
	case errors.Is(err, ErrPassword):
		return diagnosis{state: WrongPassword}
	case errors.Is(err, ErrNoVideo):
		return diagnosis{state: NoVideo}
	case errors.Is(err, ErrFrozen):
		return diagnosis{state: Frozen}
	}
	return diagnosis{state: Unreachable, reason: netguard.Why(err)}
}

// delay returns how long to wait after so many failures in a row. A wrong
// password is tried seldom: most cameras lock the account after some tries, and
// lock it longer when they go on.
func (d diagnosis) delay(fails int) time.Duration {
	switch {
	case d.state == WrongPassword:
		return retry.Delay(fails, 75*time.Second, 10*time.Minute) // a minute at least
	case d.state == NoVideo && !d.lately(), d.state == Refused, d.state == Waiting:
		return retry.Delay(fails, 30*time.Second, time.Minute)
	}
	return retry.Delay(fails, time.Second, 30*time.Second)
}

// words say the diagnosis. detail is the error, without secrets: the Opener's own
// sentence knows more than ours, if it is one.
func (d diagnosis) words(u *url.URL, s Source, detail string) words {
	w := d.plain(u, s, strings.TrimRight(detail, "."))
	own, ok := redact.Sentence(detail)
	switch d.state {
	case Refused, Waiting:
		return w
	}
	if ok {
		w.owner = own
	}
	away := d.state == NoVideo || d.state == Unreachable && d.reason != netguard.Broken
	if away && d.lately() {
		w.owner += " " + returning(time.Since(d.played))
	}
	if d.state == WrongPassword {
		w.owner += " The next tries are minutes apart, so that the camera does not lock the account; a change here is tried at once."
	}
	return w
}

// returning says that a camera that is away may come back.
func returning(after time.Duration) string {
	if after < 2*time.Minute {
		return "It was there until a moment ago and may be starting again."
	}
	return fmt.Sprintf("It was there until %d min ago and may be starting again.", int(after.Minutes()))
}

// plain says it without the Opener's help.
func (d diagnosis) plain(u *url.URL, s Source, detail string) words {
	host := u.Hostname()
	switch d.state {
	case Refused:
		return refused(host, s)
	case Waiting:
		return words{
			owner:  fmt.Sprintf("Somebody else is on air as %s. The camera takes over when they end.", s.Stream),
			viewer: "Somebody else is on air here. The camera takes over when they end.",
		}
	case WrongPassword:
		return words{
			owner:  fmt.Sprintf("The camera at %s does not accept this user name and password. Correct them here.", host),
			viewer: "The camera of this stream does not let the server in. Its owner has to correct the password.",
		}
	case NoVideo:
		return words{
			owner:  fmt.Sprintf("The camera at %s answers, but sends nothing that can be played (%s). Choose H.264 in its settings, or another path.", host, detail),
			viewer: "The camera of this stream sends nothing that can be played.",
		}
	case Frozen:
		return words{
			owner:  fmt.Sprintf("The camera at %s stopped sending pictures though it is connected. It is connected again; if this comes back, restart the camera.", host),
			viewer: "The camera of this stream stopped sending pictures. It is being connected again.",
		}
	}
	return words{
		owner:  unreachable(d.reason, u, detail),
		viewer: "The camera of this stream cannot be reached. The server keeps trying.",
	}
}

func refused(host string, s Source) words {
	w := words{viewer: "The camera of this stream may not be connected. Its owner can see why."}
	if s.Private {
		w.owner = fmt.Sprintf("%s is an address that belongs to no camera. Check the address.", host)
	} else {
		w.owner = fmt.Sprintf("%s is on this server's own or a private network. An admin can allow that for this source.", host)
	}
	return w
}

func unreachable(why netguard.Reason, u *url.URL, detail string) string {
	host, port := u.Hostname(), u.Port()
	if port == "" {
		port = "554 (322 with rtsps)"
	}
	switch why {
	case netguard.Silent:
		return fmt.Sprintf("%s does not answer. Check that the camera is on, and that this server is on a network that reaches it.", host)
	case netguard.Unknown:
		return fmt.Sprintf("No host is named %s. Check the address, or write the camera's IP address.", host)
	case netguard.Closed:
		return fmt.Sprintf("%s is there, but refuses connections to port %s. Check the port, and that RTSP is turned on in the camera.", host, port)
	case netguard.NoWay:
		return fmt.Sprintf("There is no way to %s from this server. Check the address, and that the camera is on.", host)
	case netguard.Broken:
		return fmt.Sprintf("The connection to %s broke off. It is being connected again.", host)
	}
	return fmt.Sprintf("%s cannot be played: %s.", host, detail)
}
