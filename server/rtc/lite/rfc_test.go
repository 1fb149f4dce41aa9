package lite

import (
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// The request of RFC 5769 section 2.1 is a check, proven by its password alone
// and as long as nothing is changed, and the answer to it says what those of
// sections 2.2 and 2.3 say.
func TestSTUN_N1_VectorsOfRFC5769(t *testing.T) {
	t.Parallel()
	request := []byte("\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
		"\x80\x22\x00\x10STUN test client" + "\x00\x24\x00\x04\x6e\x00\x01\xff" +
		"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" + "\x00\x06\x00\x09evtj:h6vY   " +
		"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
		"\x80\x28\x00\x04\xe5\x7a\x3b\xcf")
	password := "VOkJxbRl1RmTxUk/WvJxBt"
	right := Credentials{Ufrag: "evtj", Password: password, integrity: stun.NewShortTermIntegrity(password)}
	wrong := Credentials{Ufrag: "evtj", Password: "x", integrity: stun.NewShortTermIntegrity("x")}
	k, ok := ParseCheck(request)
	require.True(t, ok)
	require.Equal(t, "evtj", k.Ufrag)
	require.True(t, k.ProvenBy(right))
	require.False(t, k.ProvenBy(wrong))
	for i := range request[:len(request)-8-20] { // before the integrity and what follows it
		request[i] ^= 1
		if k, ok := ParseCheck(request); ok {
			require.False(t, k.ProvenBy(right), i)
		}
		request[i] ^= 1
	}
	for _, from := range []string{"192.0.2.1:32853", "[2001:db8:1234:5678:11:2233:4455:6677]:32853"} {
		m := &stun.Message{Raw: k.Answer(right, netip.MustParseAddrPort(from))}
		require.NoError(t, m.Decode())
		require.NoError(t, m.Check(stun.NewShortTermIntegrity(password), stun.Fingerprint))
		var mapped stun.XORMappedAddress
		require.NoError(t, mapped.GetFrom(m))
		require.Equal(t, from, mapped.String())
	}
}
