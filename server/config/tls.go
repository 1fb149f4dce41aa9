package config

import (
	"fmt"
	"net/netip"
	"strings"
)

// selfSigned is the only value of --tls.
const selfSigned = "self-signed"

func checkTLS(value string) error {
	if value != "" && value != selfSigned {
		return fmt.Errorf("--%s is %s, not %q; for your own certificate use --%s and --%s, for one of Let's Encrypt --%s",
			keyTLS, selfSigned, value, keyTLSCert, keyTLSKey, keyDomain)
	}
	return nil
}

func (t TLS) validate(e Encoders) error {
	if (t.Certificate == "") != (t.Key == "") {
		return fmt.Errorf("--%s and --%s go together", keyTLSCert, keyTLSKey)
	}
	sources := 0
	for _, given := range []bool{t.Domain != "", t.SelfSigned, t.Certificate != ""} {
		if given {
			sources++
		}
	}
	if sources > 1 {
		return fmt.Errorf("there is one certificate: give --%s, or --%s and --%s, or --%s=%s", keyDomain, keyTLSCert, keyTLSKey, keyTLS, selfSigned)
	}
	if sources == 0 && (e.RTMPS != "" || e.RTSPS != "") {
		return fmt.Errorf("--%s and --%s need a certificate: --%s, or --%s and --%s, or --%s=%s",
			keyRTMPS, keyRTSPS, keyDomain, keyTLSCert, keyTLSKey, keyTLS, selfSigned)
	}
	if t.Domain == "" {
		return nil
	}
	_, err := netip.ParseAddr(t.Domain)
	if err == nil || CheckHost(t.Domain) != nil || !strings.Contains(t.Domain, ".") {
		return fmt.Errorf("--%s is a name in the public DNS, like live.example.org, not %q", keyDomain, t.Domain)
	}
	return nil
}
