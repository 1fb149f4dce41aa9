package arch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// may says which packages of ours each package may import: always down. The
// table is the house's plan; a new arrow is a decision and is made here.
var may = map[string][]string{
	// floor 0: pure code
	"server/media":    {},
	"server/metric":   {},
	"server/queue":    {},
	"server/seqmap":   {},
	"server/ring":     {"server/media"},
	"server/redact":   {},
	"server/retry":    {},
	"server/hostname": {},

	// floor 1: services that know no media
	"server/auth":         {"server/metric"},
	"server/store":        {"server/auth", "server/metric"},
	"server/port":         {"server/metric", "server/queue", "server/port/address", "server/port/limit", "server/port/udp"},
	"server/port/address": {},
	"server/port/limit":   {},
	"server/port/udp":     {"server/metric"},
	"server/netguard":     {},
	"server/certs":        {"server/hostname"},

	// floor 2: the hub
	"server/hub":  {"server/media", "server/ring", "server/seqmap", "server/queue", "server/metric", "server/auth"},
	"server/feed": {"server/media", "server/queue", "server/hub"},

	// floor 3: one folder per protocol
	"server/rtmp/amf":   {},
	"server/rtmp/chunk": {},
	"server/rtmp/tag":   {"server/media"},
	"server/rtmp": {
		"server/media", "server/metric", "server/auth", "server/port/limit", "server/hub", "server/feed",
		"server/rtmp/amf", "server/rtmp/chunk", "server/rtmp/tag",
	},
	"server/rtsp":     {"server/media", "server/metric", "server/auth", "server/port/limit", "server/hub", "server/rtsp/sdp", "server/rtsp/udp"},
	"server/rtsp/sdp": {},
	"server/rtsp/udp": {},
	"server/srt/ts":   {},
	"server/srt": {
		"server/media", "server/metric", "server/auth", "server/port/limit", "server/hub", "server/feed", "server/srt/ts",
	},
	"server/transcode": {"server/media", "server/queue", "server/metric", "server/hub"},
	"server/pull":      {"server/auth", "server/hub", "server/netguard", "server/redact", "server/retry"},
	"server/push":      {"server/auth", "server/hub", "server/netguard", "server/redact", "server/retry"},
	"server/onvif":     {"server/netguard"},
	"server/rtc/offer": {"server/media"},
	"server/rtc/ingest": {
		"server/media", "server/ring", "server/seqmap", "server/queue", "server/metric",
		"server/port", "server/port/limit", "server/hub", "server/rtc/offer", "server/rtc/lite",
	},
	"server/rtc/egress": {
		"server/media", "server/ring", "server/seqmap", "server/queue", "server/metric",
		"server/port", "server/hub", "server/rtc/offer", "server/rtc/lite", "server/rtc/handshake", "server/rtc/feedback", "server/rtc/seal",
	},
	"server/rtc/feedback":   {"server/media"},
	"server/rtc/lite":       {"server/port"},
	"server/rtc/seal":       {},
	"server/rtc/handshake":  {"server/metric", "server/port/limit", "server/rtc/offer", "server/rtc/seal"},
	"server/rtc/reach":      {"server/metric", "server/port", "server/port/limit", "server/rtc/lite", "server/rtc/offer"},
	"server/rtc/whipclient": {"server/media", "server/metric", "server/hub"},
	"server/rtc": {
		"server/media", "server/metric", "server/auth", "server/port", "server/port/limit", "server/hub",
		"server/rtc/offer", "server/rtc/lite", "server/rtc/ingest", "server/rtc/egress", "server/rtc/handshake", "server/rtc/reach",
	},

	// floor 4: the doors
	"server/web": {"server/media", "server/metric", "server/auth", "server/hub"},

	// floor 5: everything comes together
	"server/config": {"server/hostname", "server/auth", "server/store", "server/port", "server/hub", "server/rtc", "server/web", "turn"},
	"server/app": {
		"server/media", "server/metric", "server/auth", "server/store", "server/port", "server/port/limit", "server/hub",
		"server/rtc", "server/rtc/egress", "server/rtc/whipclient", "server/rtmp", "server/rtsp", "server/srt", "server/transcode",
		"server/pull", "server/push", "server/onvif", "server/netguard",
		"server/web", "server/config", "server/certs", "turn", "frontend",
	},

	// floor 6: the programs
	"server/cli":            {"server/app", "server/config", "server/auth", "server/store", "server/bench", "server/doctor"},
	"server/cmd/heliograph": {"server/app", "server/cli", "server/config", "server/auth", "server/store", "server/bench"},

	// apart: they know nothing of the house but how to count and to limit
	"turn":                  {"server/metric", "server/port/limit"},
	"frontend":              {},
	"e2e/lab/netemu":        {},
	"server/bench":          {"server/bench/client", "server/bench/clip", "server/bench/feedback", "server/bench/inside"},
	"server/bench/client":   {},
	"server/bench/clip":     {},
	"server/bench/feedback": {},
	"server/bench/inside": {
		"server/media", "server/metric", "server/auth", "server/port", "server/hub", "server/rtc/offer", "server/rtc/egress", "server/bench/client",
	},
	"server/doctor": {}, // sees the server as a stranger does
	"server/arch":   {},
}

// testsMay is what the tests of a package import beside its own row: the real
// thing on the other side of an interface.
var testsMay = map[string][]string{
	"server/auth":           {"server/store"},
	"server/feed":           {"server/auth"},
	"server/rtmp":           {"server/store"},
	"server/rtsp":           {"server/store"},
	"server/srt":            {"server/store"},
	"server/rtc":            {"server/store"},
	"server/transcode":      {"server/auth"},
	"server/rtc/whipclient": {"server/auth", "server/port", "server/rtc", "server/rtc/egress"},
	"server/rtc/egress":     {"server/auth"},
	"server/rtc/handshake":  {"server/port", "server/rtc/lite"},
	"server/rtc/ingest":     {"server/auth"},
	"server/web":            {"server/store"},
	"server/doctor":         {"server/app", "server/config"},
	"turn":                  {"server/port"},
}

// walls name the only folders that may import a module of others, so that a
// new major version of it is work in one folder. A wall holds below its path.
var walls = map[string][]string{
	"github.com/pion/webrtc":                        {"server/rtc", "server/bench"},
	"github.com/pion/interceptor":                   {"server/rtc", "server/bench"},
	"github.com/pion/turn":                          {"turn"},
	"modernc.org/sqlite":                            {"server/store"},
	"github.com/caddyserver/certmagic":              {"server/certs"},
	"github.com/mholt/acmez":                        {"server/certs"},
	"go.uber.org/zap":                               {"server/certs"},
	"github.com/gorilla/websocket":                  {"server/web"},
	"github.com/go-chi":                             {"server/web"},
	"github.com/prometheus":                         {"server/web"},
	"github.com/golang-jwt":                         {"server/auth"},
	"github.com/knadh/koanf":                        {"server/config"},
	"github.com/bluenviron/gortsplib/v5/pkg/format": {"server/media", "server/rtsp"}, // RTP payload formats
	"github.com/bluenviron/gortsplib":               {"server/rtsp"},
	"github.com/bluenviron/gortmplib":               {"server/rtmp"},
	"github.com/bluenviron/mediacommon":             {"server/media", "server/rtmp", "server/rtsp", "server/srt", "server/transcode"},
	"github.com/datarhei/gosrt":                     {"server/srt"},
	"github.com/spf13/cobra":                        {"server/cmd", "server/cli", "server/bench"},
	"golang.org/x/crypto/argon2":                    {"server/auth"},
	"github.com/stretchr/testify":                   {},
	"go.uber.org/goleak":                            {},
	"pgregory.net/rapid":                            {},
	"github.com/pion/transport":                     {"server/rtc", "server/bench"},
	"github.com/pion/logging":                       {"server/rtc", "server/bench", "turn"},
	"log":                                           {}, // log/slog
	"math/rand":                                     {}, // math/rand/v2 or crypto/rand
	"github.com/pion/stun/v3":                       {}, // v4 is the one
	"github.com/dgrijalva/jwt-go":                   {}, // CVE-2020-26160, given up by its author
	"github.com/mattn/go-sqlite3":                   {}, // needs C, and the binary is static
}

func TestImportsPointDown(t *testing.T) {
	t.Parallel()
	var findings []string
	for _, file := range tree(t) {
		row, known := may[file.dir()]
		if !known {
			findings = append(findings, file.dir()+" has no row in the table of server/arch/imports_test.go")
			continue
		}
		if file.isTest() {
			row = slices.Concat(row, testsMay[file.dir()], []string{file.dir()})
		}
		for _, imported := range file.imports() {
			ours, ok := strings.CutPrefix(imported, module)
			if ok && !slices.Contains(row, ours) {
				findings = append(findings, fmt.Sprintf("%s must not import %s", file.path, ours))
			}
		}
	}
	report(t, slices.Compact(findings))
}

func TestModulesStayBehindTheirWalls(t *testing.T) {
	t.Parallel()
	var findings []string
	for _, file := range tree(t) {
		if file.isTest() {
			continue
		}
		for _, imported := range file.imports() {
			if wall, ok := wallOf(imported); ok && !within(file.dir(), walls[wall]) {
				findings = append(findings, fmt.Sprintf("%s must not import %s, which belongs to %v", file.path, imported, walls[wall]))
			}
		}
	}
	report(t, findings)
}

// wallOf finds the wall that an import path stands behind: the innermost, where
// a part of a module has its own.
func wallOf(imported string) (found string, ok bool) {
	for wall := range walls {
		standard := !strings.Contains(wall, ".")
		if imported == wall || !standard && strings.HasPrefix(imported, wall+"/") {
			if len(wall) > len(found) {
				found, ok = wall, true
			}
		}
	}
	return found, ok
}

func within(dir string, allowed []string) bool {
	return slices.ContainsFunc(allowed, func(a string) bool {
		return dir == a || strings.HasPrefix(dir, a+"/")
	})
}

// A row that names a package which is gone hides that the plan has changed.
func TestTableHasNoDeadRows(t *testing.T) {
	t.Parallel()
	present := map[string]bool{}
	for _, file := range tree(t) {
		present[file.dir()] = true
	}
	var findings []string
	for dir, row := range may {
		if !present[dir] {
			findings = append(findings, "the table has a row for "+dir+", which does not exist")
		}
		for _, imported := range row {
			if _, ok := may[imported]; !ok {
				findings = append(findings, dir+" may import "+imported+", which has no row")
			}
		}
	}
	report(t, findings)
}

// Following arrows down must end: a table with a circle would allow anything.
func TestTableHasNoCircles(t *testing.T) {
	t.Parallel()
	var visit func(dir string, trail []string)
	visit = func(dir string, trail []string) {
		if slices.Contains(trail, dir) {
			t.Fatalf("circle: %v", append(trail, dir))
		}
		for _, next := range may[dir] {
			visit(next, append(slices.Clone(trail), dir))
		}
	}
	for dir := range may {
		visit(dir, nil)
	}
}
