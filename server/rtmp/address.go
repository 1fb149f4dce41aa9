package rtmp

import (
	"net/url"
	"strings"

	"github.com/heliograph/heliograph/server/auth"
)

// credentials are what an address carries.
type credentials struct {
	token      string
	user, pass string
}

func (c credentials) none() bool { return c == credentials{} }

// address is what a client asks for.
type address struct {
	stream string // "" when it is not an address of this server
	credentials
}

// addressOf joins the application that a client has connected to with the name
// that it wants to publish or play there. The place of the border differs:
// rtmp://HOST/live/NAME?key=KEY comes as "live" and "NAME?key=KEY", or all in
// one of the two.
func addressOf(app, name string) address {
	appPath, appQuery, _ := strings.Cut(app, "?")
	namePath, nameQuery, _ := strings.Cut(name, "?")
	values := map[string]string{}
	queryOf(values, appQuery)
	queryOf(values, nameQuery)
	a := address{credentials: credentials{token: values["key"], user: values["user"], pass: values["pass"]}}
	if a.token == "" {
		a.token = values["token"]
	}
	if a.token == "" && auth.LooksLikeBearer(a.pass) {
		a.credentials = credentials{token: a.pass}
	}
	a.stream = streamOf(appPath + "/" + namePath)
	return a
}

// streamOf returns the name in live/NAME, or auth/NAME. A key in its place is
// none: it would be written into the log and, where nobody needs a key, be shown
// to everybody as the stream's name.
func streamOf(path string) string {
	parts := strings.FieldsFunc(path, func(r rune) bool { return r == '/' })
	if len(parts) == 2 && (parts[0] == "live" || parts[0] == askApp) && !auth.LooksLikeBearer(parts[1]) {
		return parts[1]
	}
	return ""
}

// queryOf reads a query. Encoders do not escape what they are given, so a plus
// is a plus and what is wrongly escaped is taken as it stands.
func queryOf(values map[string]string, query string) {
	for pair := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == '?' }) {
		key, value, _ := strings.Cut(pair, "=")
		if plain, err := url.PathUnescape(value); err == nil {
			value = plain
		}
		values[key] = value
	}
}
