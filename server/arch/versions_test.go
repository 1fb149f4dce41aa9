package arch_test

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// floors are the lowest versions without a known hole that a peer can reach.
var floors = map[string]string{
	"github.com/gorilla/websocket":      "v1.4.1",  // CVE-2020-27813: integer overflow
	"github.com/golang-jwt/jwt/v5":      "v5.2.2",  // CVE-2025-30204: memory by header
	"github.com/nats-io/nats-server/v2": "v2.12.6", // CVE-2025-30215 and others
	"github.com/pion/dtls/v3":           "v3.1.4",  // CVE-2026-26014, CVE-2026-54908
	"github.com/pion/interceptor":       "v0.1.39", // CVE-2025-49140: crash by RTP padding
	"github.com/pion/stun/v3":           "v3.1.5",  // CVE-2026-54909: panic by XOR-MAPPED-ADDRESS
	"github.com/bluenviron/mediamtx":    "v1.18.0", // CVE-2026-27143
	"github.com/pion/dtls":              "never",   // CVE-2019-20786
	"github.com/pion/dtls/v2":           "never",   // CVE-2022-29189, CVE-2022-29190, CVE-2022-29222
	"github.com/pion/webrtc/v3":         "never",   // brings dtls v2
	"github.com/dgrijalva/jwt-go":       "never",   // CVE-2020-26160
	"github.com/golang-jwt/jwt/v4":      "never",   // one version of it
	"github.com/golang-jwt/jwt":         "never",
}

var requirement = regexp.MustCompile(`(?m)^\s*(?:require\s+)?([a-z0-9.]+\.[a-z]+/\S+)\s+(v\d+\.\d+\.\d+)\S*`)

func TestModulesHaveNoKnownHoles(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(root + "/go.mod")
	require.NoError(t, err)
	require.NotContains(t, string(text), "\nreplace", "a replaced module escapes this test")

	found := requirement.FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(found), 20, "go.mod was not understood")
	var findings []string
	for _, match := range found {
		name, version := match[1], match[2]
		floor, ok := floors[name]
		if ok && (floor == "never" || older(t, version, floor)) {
			findings = append(findings, fmt.Sprintf("go.mod has %s %s; lowest safe version: %s", name, version, floor))
		}
	}
	report(t, findings)
}

// older compares two versions without suffixes.
func older(t *testing.T, version, floor string) bool {
	t.Helper()
	a, b := numbers(t, version), numbers(t, floor)
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

func numbers(t *testing.T, version string) [3]int {
	t.Helper()
	var all [3]int
	parts := strings.Split(strings.TrimPrefix(version, "v"), ".")
	require.Len(t, parts, len(all), version)
	for i, part := range parts {
		n, err := strconv.Atoi(part)
		require.NoError(t, err, version)
		all[i] = n
	}
	return all
}

func TestOlder(t *testing.T) {
	t.Parallel()
	require.True(t, older(t, "v3.0.1", "v3.1.5"))
	require.True(t, older(t, "v1.9.9", "v1.10.0"))
	require.False(t, older(t, "v3.1.5", "v3.1.5"))
	require.False(t, older(t, "v4.0.0", "v3.1.5"))
}
