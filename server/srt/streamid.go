package srt

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/heliograph/heliograph/server/auth"
)

// maxStreamID is the longest stream id that SRT carries.
const maxStreamID = 512

// Why a stream id cannot be used. None quotes it: it may hold a key.
var (
	errStreamID = errors.New("the stream id must be publish:STREAM:KEY or read:STREAM, or begin with #!:: and say r=STREAM and m=publish or m=request")
	errMode     = errors.New("the stream id asks for a mode other than publish and request")
)

// access is what a caller asks for with its stream id.
type access struct {
	action auth.Action
	stream string
	user   string
	key    string // stream key, token or password; "" for none
}

// String shows an access without its key.
func (a access) String() string { return fmt.Sprintf("%s:%s", a.action, a.stream) }

// parseStreamID reads "publish:STREAM:KEY" and "read:STREAM:KEY", whose KEY may
// be left out, and the access control form of SRT, "#!::r=STREAM,m=publish,
// u=USER,s=KEY" with m=request to play, which is also what it means without m.
// It returns errStreamID, errMode or auth.ErrName.
func parseStreamID(id string) (access, error) {
	if len(id) > maxStreamID || !utf8.ValidString(id) {
		return access{}, errStreamID
	}
	parse := parsePlain
	if strings.HasPrefix(id, "#!:") {
		parse = parseControl
	}
	a, err := parse(id)
	if err != nil {
		return access{}, err
	}
	if !auth.ValidName(a.stream) {
		return access{}, auth.ErrName
	}
	return a, nil
}

func parsePlain(id string) (access, error) {
	mode, rest, ok := strings.Cut(id, ":")
	if !ok {
		return access{}, errStreamID
	}
	a := access{}
	a.stream, a.key, _ = strings.Cut(rest, ":")
	switch mode {
	case "publish":
		a.action = auth.Publish
	case "read", "play":
		a.action = auth.Watch
	default:
		return access{}, errStreamID
	}
	return a, nil
}

func parseControl(id string) (access, error) {
	list, ok := strings.CutPrefix(id, "#!::")
	if !ok { // the nested form, #!:{…}
		return access{}, errStreamID
	}
	a := access{action: auth.Watch}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(list, ",") {
		name, value, ok := strings.Cut(pair, "=")
		if !ok || seen[name] {
			return access{}, errStreamID
		}
		seen[name] = true
		switch name {
		case "r":
			a.stream = value
		case "u":
			a.user = value
		case "s":
			a.key = value
		case "m":
			switch value {
			case "publish":
				a.action = auth.Publish
			case "request":
			default:
				return access{}, errMode
			}
		case "t":
			if value != "stream" {
				return access{}, errMode
			}
		}
	}
	return a, nil
}
