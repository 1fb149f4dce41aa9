package client

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func links(values ...string) []TURNServer { return ReadLinks(http.Header{"Link": values}) }

func TestReadLinks(t *testing.T) {
	t.Parallel()
	list := links(
		`<turn:192.0.2.1:8080?transport=tcp>; rel="ice-server"; username="u"; credential="p, \"q\"; r"; credential-type="password", `+
			`<turns:live.example:443?transport=tcp>;REL=ice-server;username=u2;credential=p2`,
		`<stun:192.0.2.1>; rel="ice-server"`, `<https://h/help>; rel="help"`, `<turn:h:port>; rel="ice-server"`, `turn:`, `<turn:[2001:db8::1]>; rel="ice-server"`,
	)
	require.Len(t, list, 3)
	assert.Equal(t, "192.0.2.1", list[0].uri.Host)
	assert.Equal(t, 8080, list[0].uri.Port)
	assert.Equal(t, `p, "q"; r`, list[0].credential)
	assert.Equal(t, TCP, wayOf(list[0].uri))
	assert.Equal(t, TLS, wayOf(list[1].uri))
	assert.Equal(t, "p2", list[1].credential)
	assert.Equal(t, "2001:db8::1", list[2].uri.Host)
	assert.Equal(t, UDP, wayOf(list[2].uri))
}

func TestRelayOf(t *testing.T) {
	t.Parallel()
	list := links(`<turn:a:1?transport=tcp>; rel="ice-server"; username="u"; credential="p"`,
		`<turns:b:2?transport=tcp>; rel="ice-server"; username="u"; credential="p"`)
	for way, host := range map[Way]string{TCP: "a", TLS: "b", UDP: "a"} {
		r, err := RelayOf(list, way)
		require.NoError(t, err)
		assert.Equal(t, host, r.Host, way)
		assert.Equal(t, way, r.Way, "as asked for, whatever the URL says")
	}
	_, err := RelayOf(nil, UDP)
	require.ErrorIs(t, err, ErrNoRelay)
	_, err = RelayOf(links(`<turn:a>; rel="ice-server"`), UDP)
	require.ErrorContains(t, err, "without a username")
}

func FuzzReadLinks(f *testing.F) {
	f.Add(`<turn:h:1?transport=tcp>; rel="ice-server"; username="u\"x"; credential=p, <turns:h>;rel=ice-server`)
	f.Add(`<<>>;;=",\`)
	f.Fuzz(func(t *testing.T, value string) {
		require.LessOrEqual(t, len(links(value)), maxLinks)
	})
}
