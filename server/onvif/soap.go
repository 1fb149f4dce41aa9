package onvif

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha1" // the profile knows no other
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxAnswer bounds an answer of a camera, in bytes.
const maxAnswer = 512 << 10

// session is one look at one camera.
type session struct {
	client         *http.Client
	endpoint       *url.URL
	user, password string
	skew           time.Duration // how far the camera's clock is ahead of ours
	challenge      *challenge    // of HTTP Digest, nil until the camera asked for it
}

// fault is the answer to a call that failed.
type fault struct {
	Code   string `xml:"Code>Value"`
	Sub    string `xml:"Code>Subcode>Value"`
	Sub2   string `xml:"Code>Subcode>Subcode>Value"`
	Reason string `xml:"Reason>Text"`
	Old    string `xml:"faultstring"` // of SOAP 1.1, which some answer with
}

// denied tells whether the camera does not know the user or the password.
func (f *fault) denied() bool {
	all := strings.ToLower(f.Sub + " " + f.Sub2 + " " + f.Reason + " " + f.Old)
	for _, word := range []string{"notauthorized", "not authorized", "unauthorized", "failedauthentication", "authority failure", "operationprohibited"} {
		if strings.Contains(all, word) {
			return true
		}
	}
	return false
}

// call makes one call of a service at a path of the camera, and reads the answer
// into v.
func (s *session) call(ctx context.Context, path, body string, v any) error {
	target := *s.endpoint
	if path != "" {
		target.Path, target.RawPath, target.RawQuery = path, "", ""
	}
	answer, err := s.post(ctx, &target, body)
	if err != nil {
		return err
	}
	if answer.StatusCode == http.StatusUnauthorized && s.user != "" {
		if c := parseChallenge(answer.Header.Values("WWW-Authenticate")); c != nil { // the first, or a new nonce
			_ = answer.Body.Close()
			s.challenge = c
			if answer, err = s.post(ctx, &target, body); err != nil {
				return err
			}
		}
	}
	defer answer.Body.Close()
	return understand(answer, v)
}

// understand reads the answer of a call into v.
func understand(answer *http.Response, v any) error {
	var envelope struct {
		Body struct {
			Fault *fault
			Inner []byte `xml:",innerxml"`
		}
	}
	err := decode(io.LimitReader(answer.Body, maxAnswer), &envelope)
	f := envelope.Body.Fault
	switch {
	case answer.StatusCode == http.StatusUnauthorized, answer.StatusCode == http.StatusForbidden:
		return ErrPassword
	case err != nil:
		return fmt.Errorf("%w: it answers %d", ErrAnswer, answer.StatusCode)
	case f != nil && f.denied():
		return ErrPassword
	case f != nil:
		return fmt.Errorf("%w: it says %q", ErrAnswer, readable(f.Reason+f.Old))
	}
	if err := decode(bytes.NewReader(envelope.Body.Inner), v); err != nil {
		return fmt.Errorf("%w: it answers %d", ErrAnswer, answer.StatusCode)
	}
	return nil
}

func (s *session) post(ctx context.Context, target *url.URL, body string) (*http.Response, error) {
	message := `<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope">` +
		s.security() + `<s:Body>` + body + `</s:Body></s:Envelope>`
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, target.String(), strings.NewReader(message))
	if err != nil {
		return nil, ErrEndpoint
	}
	r.Header.Set("Content-Type", "application/soap+xml; charset=utf-8")
	if s.challenge != nil {
		r.Header.Set("Authorization", s.challenge.authorization(http.MethodPost, target.RequestURI(), s.user, s.password))
	}
	return s.client.Do(r)
}

// security returns the header that proves the password, of the WS-Security
// UsernameToken Profile 1.0: by the camera's clock, and a nonce used once.
func (s *session) security() string {
	if s.user == "" {
		return ""
	}
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce)
	created := time.Now().Add(s.skew).UTC().Format("2006-01-02T15:04:05.000Z")
	proof := sha1.Sum([]byte(string(nonce) + created + s.password))
	const (
		profile = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
		token   = profile + "username-token-profile-1.0#PasswordDigest"
		coded   = profile + "soap-message-security-1.0#Base64Binary"
	)
	return `<s:Header><Security s:mustUnderstand="1" xmlns="` + profile + `wssecurity-secext-1.0.xsd"><UsernameToken>` +
		`<Username>` + escaped(s.user) + `</Username>` +
		`<Password Type="` + token + `">` + base64.StdEncoding.EncodeToString(proof[:]) + `</Password>` +
		`<Nonce EncodingType="` + coded + `">` + base64.StdEncoding.EncodeToString(nonce) + `</Nonce>` +
		`<Created xmlns="` + profile + `wssecurity-utility-1.0.xsd">` + created + `</Created>` +
		`</UsernameToken></Security></s:Header>`
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}
