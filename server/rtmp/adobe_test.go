package rtmp

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// asked reads what a challenge tells.
func asked(t *testing.T, description string) url.Values {
	t.Helper()
	_, query, ok := strings.Cut(description, "?")
	require.True(t, ok)
	v, err := url.ParseQuery(query)
	require.NoError(t, err)
	return v
}

func TestChallenges(t *testing.T) {
	t.Parallel()
	here, there := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	c := newChallenges()
	answerTo := func(pass string) answer {
		v := asked(t, c.issue(here, "", "ada"))
		return answer{
			user: "ada", challenge: "mine", opaque: v.Get("opaque"),
			response: adobeResponse("ada", v.Get("salt"), pass, v.Get("opaque"), "mine"),
		}
	}
	good := answerTo("secret")
	proves, ok := c.accept(here, good)
	require.True(t, ok)
	require.True(t, proves("secret"))
	require.False(t, proves("other"))
	require.False(t, proves(""))
	_, ok = c.accept(here, good)
	require.False(t, ok, "an answer that was overheard is worth nothing")

	_, ok = c.accept(there, answerTo("secret"))
	require.False(t, ok, "another network's")
	_, ok = c.accept(here, answer{user: "ada", opaque: "unknown"})
	require.False(t, ok)
	_, ok = c.accept(there, answer{user: "ada"})
	require.False(t, ok, "nothing to answer")

	first, second := asked(t, c.issue(here, "", "ada")), asked(t, c.issue(here, "", "ada"))
	require.NotEqual(t, first.Get("salt"), second.Get("salt"))
	require.NotEqual(t, first.Get("challenge"), second.Get("challenge"))
}

func TestChallengesAreBounded(t *testing.T) {
	t.Parallel()
	c := newChallenges()
	for i := range 3 * maxExchanges {
		a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i)})
		c.issue(a, "", "ada")
		c.refused(a, "x")
	}
	require.LessOrEqual(t, len(c.exchanges), maxExchanges)
	require.LessOrEqual(t, len(c.wants), maxWants)
}

// Who is challenged, and when.
func TestWhoIsChallenged(t *testing.T) {
	t.Parallel()
	a := netip.MustParseAddr("192.0.2.1")
	c := newChallenges()
	require.False(t, c.due(a, "x"))
	c.refused(a, "x")
	require.False(t, c.due(a, "x"), "a person adds the key that he forgot")
	c.refused(a, "x")
	require.False(t, c.due(a, "y"), "another program")
	require.True(t, c.due(a, "x"))
	require.False(t, c.due(a, "x"), "it has not answered")
	c.refused(a, "x")
	c.satisfied(a, "x")
	c.refused(a, "x")
	require.False(t, c.due(a, "x"), "it came with a key between")
	c.answered(a, "x")
	require.True(t, c.due(a, "x"))
}

func TestAdobeQuery(t *testing.T) {
	t.Parallel()
	rest, a, ok := adobeQuery("live?authmod=adobe&user=ada&challenge=c&response=a+b/c==&opaque=o")
	require.True(t, ok)
	require.Equal(t, "live", rest)
	require.Equal(t, answer{user: "ada", challenge: "c", response: "a+b/c==", opaque: "o"}, a)
	_, _, ok = adobeQuery("live?key=x")
	require.False(t, ok)
}

func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		app, name string
		want      address
	}{
		{"live", "harbour", address{stream: "harbour"}},
		{"live/", "/harbour/", address{stream: "harbour"}},
		{"live", "live", address{stream: "live"}},
		{"live/harbour", "", address{stream: "harbour"}},
		{"", "live/harbour", address{stream: "harbour"}},
		{"auth", "harbour", address{stream: "harbour"}},
		{"live", "harbour?key=hk_1", address{"harbour", credentials{token: "hk_1"}}},
		{"live?key=hk_1", "harbour", address{"harbour", credentials{token: "hk_1"}}},
		{"live", "harbour?token=eyJ.a.b", address{"harbour", credentials{token: "eyJ.a.b"}}},
		{"live", "harbour?user=ada&pass=a+b%20c", address{"harbour", credentials{user: "ada", pass: "a+b c"}}},
		{"live", "harbour?user=ada&pass=100%", address{"harbour", credentials{user: "ada", pass: "100%"}}},
		{"live", "harbour?user=ada&pass=hk_1", address{"harbour", credentials{token: "hk_1"}}},
		{"live", "harbour?user=ada&pass=eyJa.b.c", address{"harbour", credentials{token: "eyJa.b.c"}}},
		{"live", "hk_1", address{}},
		{"live", "hk_1?key=hk_1", address{credentials: credentials{token: "hk_1"}}},
		{"", "", address{}},
		{"harbour", "", address{}},
		{"stage", "harbour", address{}},
		{"live", "a/b", address{}},
	} {
		require.Equal(t, c.want, addressOf(c.app, c.name), fmt.Sprint(c.app, " ", c.name))
	}
}

// Before anybody has said who he is, little may be kept of what he calls himself.
func TestNamesAreKeptShort(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 60<<10)
	short := clip(long)
	require.Len(t, short, 128)
	require.NotSame(t, unsafe.StringData(long), unsafe.StringData(short), "the rest is let go of")
}

func TestClock(t *testing.T) {
	t.Parallel()
	var c clock
	const ms = 1_000_000
	for _, step := range []struct {
		stamp uint32
		want  int64
	}{{0xfffffff0, 0xfffffff0}, {0x10, 0x100000010}, {0xfffffffe, 0xfffffffe}, {0x20, 0x100000020}} {
		require.EqualValues(t, step.want*ms, c.extend(step.stamp))
	}
	require.EqualValues(t, 0x100000030*int64(ms), c.peek(0x30))
	require.EqualValues(t, 90_000*40_000_000+45_000, ticksOf(40_000_000_500*ms, 90_000), "no overflow after a year")
	require.EqualValues(t, -500*ms, durationOf(-45_000, 90_000))
}
