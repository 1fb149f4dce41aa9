package onvif

import (
	"bytes"
	"crypto/rand"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"unicode"
)

// maxName bounds a name that a camera gives, in characters.
const maxName = 64

// probe returns the question for devices of a type.
func probe(kind string) []byte {
	var id [16]byte
	_, _ = rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80 // version 4, RFC 9562
	return fmt.Appendf(nil, `<?xml version="1.0" encoding="UTF-8"?>`+
		`<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope" xmlns:w="http://schemas.xmlsoap.org/ws/2004/08/addressing"`+
		` xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"`+
		` xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><e:Header>`+
		`<w:MessageID>urn:uuid:%x-%x-%x-%x-%x</w:MessageID><w:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</w:To>`+
		`<w:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</w:Action>`+
		`</e:Header><e:Body><d:Probe><d:Types>%s</d:Types></d:Probe></e:Body></e:Envelope>`,
		id[:4], id[4:6], id[6:8], id[8:10], id[10:], kind)
}

// match is the answer, as far as it is of use. Prefixes differ between makers,
// so that names count without their namespaces.
type match struct {
	XAddrs string `xml:"Body>ProbeMatches>ProbeMatch>XAddrs"`
	Scopes string `xml:"Body>ProbeMatches>ProbeMatch>Scopes"`
}

// parseMatch reads an answer to a search. The camera is where the answer came
// from: what it says of its own address may be from another network, or lead
// whoever asks next to a third machine.
func parseMatch(reply []byte, from netip.Addr) (Camera, bool) {
	var m match
	if err := decode(bytes.NewReader(reply), &m); err != nil {
		return Camera{}, false
	}
	for _, x := range strings.Fields(m.XAddrs) {
		u, err := url.Parse(x)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			continue
		}
		u.Host = moved(u, from.String())
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		c := Camera{Name: nameOf(m.Scopes), Address: from.String(), Endpoint: u.String()}
		if c.Name == "" {
			c.Name = c.Address
		}
		return c, true
	}
	return Camera{}, false
}

// moved returns the host and port of an address with another host.
func moved(u *url.URL, host string) string {
	if p := u.Port(); p != "" {
		return net.JoinHostPort(host, p)
	}
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// nameOf finds what a camera calls itself in the scopes that it gives: its name,
// and its model where that is not part of it.
func nameOf(scopes string) string {
	var name, model string
	for _, s := range strings.Fields(scopes) {
		rest, ok := strings.CutPrefix(s, "onvif://www.onvif.org/")
		if !ok {
			continue
		}
		if v, ok := strings.CutPrefix(rest, "name/"); ok && name == "" {
			name = readable(v)
		}
		if v, ok := strings.CutPrefix(rest, "hardware/"); ok && model == "" {
			model = readable(v)
		}
	}
	if model == "" || strings.Contains(strings.ToLower(name), strings.ToLower(model)) {
		return name
	}
	return shortened(strings.TrimSpace(name + " " + model))
}

// readable returns what a camera says fit to be shown.
func readable(s string) string {
	if plain, err := url.PathUnescape(s); err == nil {
		s = plain
	}
	s = strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
			return ' '
		}
		return c
	}, s)
	return shortened(strings.Join(strings.Fields(s), " "))
}

func shortened(s string) string {
	if r := []rune(s); len(r) > maxName {
		return string(r[:maxName-1]) + "…"
	}
	return s
}

// decode reads one XML document into v.
func decode(r io.Reader, v any) error {
	d := xml.NewDecoder(r)
	d.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return ascii{in}, nil }
	return d.Decode(v)
}

// ascii reads any encoding that is ASCII but for characters that matter to
// nobody here: old cameras send GB 2312, or say so and send UTF-8.
type ascii struct{ io.Reader }

// Read implements io.Reader.
func (a ascii) Read(p []byte) (int, error) {
	n, err := a.Reader.Read(p)
	for i, b := range p[:n] {
		if b >= 0x80 {
			p[i] = '?'
		}
	}
	return n, err
}
