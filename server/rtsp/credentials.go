package rtsp

import (
	"crypto/md5"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/bluenviron/gortsplib/v5/pkg/base"
	"github.com/bluenviron/gortsplib/v5/pkg/headers"

	"github.com/heliograph/heliograph/server/auth"
)

// realm names the server in a challenge. The response of Digest depends on it,
// so it must not change while clients are connected.
const realm = "Heliograph"

// credentials are what a request says about who sent it.
type credentials struct {
	user, pass string
	token      string
	digest     *headers.Authorization
}

func (c credentials) none() bool {
	return c.user == "" && c.pass == "" && c.token == "" && c.digest == nil
}

// credentialsOf reads the Authorization header and what the address carries:
// ?key=, ?token= or ?user= with &pass=. The header is the more explicit one. A
// malformed header is as good as none: the client is challenged again.
func credentialsOf(header base.HeaderValue, query string) credentials {
	if len(header) == 1 {
		if c := headerCredentials(header[0]); !c.none() {
			return c
		}
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return credentials{}
	}
	token := values.Get("key")
	if token == "" {
		token = values.Get("token")
	}
	return secretAnywhere(credentials{user: values.Get("user"), pass: values.Get("pass"), token: token})
}

func headerCredentials(header string) credentials {
	scheme, value, _ := strings.Cut(header, " ")
	switch {
	case strings.EqualFold(scheme, "Basic"):
		text, err := base64.StdEncoding.DecodeString(strings.TrimSpace(value))
		if err != nil {
			return credentials{}
		}
		user, pass, _ := strings.Cut(string(text), ":")
		return secretAnywhere(credentials{user: user, pass: pass})
	case strings.EqualFold(scheme, "Digest"):
		var d headers.Authorization
		if d.Unmarshal(base.HeaderValue{"Digest " + value}) != nil {
			return credentials{}
		}
		return credentials{digest: &d}
	}
	return credentials{}
}

// secretAnywhere finds a stream key or a token that stands where a password
// does, since many encoders ask for a user and a password only.
func secretAnywhere(c credentials) credentials {
	if c.token == "" && auth.LooksLikeBearer(c.pass) {
		return credentials{token: c.pass}
	}
	return c
}

// proves tells whether the response of Digest was made with secret, for a
// request of a method (RFC 2617 section 3.2.2, without qop: encoders and cameras
// speak nothing newer).
func proves(d *headers.Authorization, method base.Method, secret string) bool {
	if d.Algorithm != nil && *d.Algorithm != headers.AuthAlgorithmMD5 {
		return false
	}
	want := digest(digest(d.Username+":"+realm+":"+secret) + ":" + d.Nonce + ":" + digest(string(method)+":"+d.URI))
	return subtle.ConstantTimeCompare([]byte(want), []byte(strings.ToLower(d.Response))) == 1
}

func digest(text string) string {
	sum := md5.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

// challenge asks for credentials. On a plain connection Digest comes first: it
// proves a stream's key without sending it. Basic is offered as well because
// accounts cannot do Digest, their passwords are kept as hashes; and alone in
// TLS, which hides it, because most clients take Digest wherever it is offered.
func challenge(nonce string, digests, stale bool) base.HeaderValue {
	list := base.HeaderValue{}
	if digests {
		line := `Digest realm="` + realm + `", nonce="` + nonce + `", algorithm="MD5"`
		if stale {
			line += `, stale="true"`
		}
		list = append(list, line)
	}
	return append(list, `Basic realm="`+realm+`"`)
}
