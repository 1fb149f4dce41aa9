package lite

import (
	"net/netip"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// checkFor is a check as a browser sends it.
func checkFor(c Credentials, password string, nominate bool) []byte {
	return checkOf("them", c, password, nominate)
}

// checkOf is checkFor of a client by another name.
func checkOf(name string, c Credentials, password string, nominate bool) []byte {
	setters := []stun.Setter{stun.TransactionID, stun.BindingRequest, stun.NewUsername(c.Ufrag + ":" + name)}
	if nominate {
		setters = append(setters, stun.RawAttribute{Type: stun.AttrUseCandidate})
	}
	setters = append(setters, ice.PriorityAttr(1), ice.AttrControlling(1))
	return stun.MustBuild(append(setters, stun.NewShortTermIntegrity(password), stun.Fingerprint)...).Raw
}

func TestCheckIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	c, other := NewCredentials(), NewCredentials()
	require.NotEqual(t, c.Ufrag, other.Ufrag)
	for _, at := range []string{"192.0.2.1:5", "[2001:db8::1]:65535"} {
		from := netip.MustParseAddrPort(at)
		b := checkFor(c, c.Password, true)
		k, ok := ParseCheck(b)
		require.True(t, ok)
		require.True(t, k.Nominated)
		require.Equal(t, c.Ufrag, k.Ufrag)
		require.True(t, k.ProvenBy(c))
		require.False(t, k.ProvenBy(other))
		answer := k.Answer(c, from)
		require.Less(t, len(answer), len(b), "nothing is amplified")
		m := &stun.Message{Raw: answer}
		require.NoError(t, m.Decode())
		require.Equal(t, stun.BindingSuccess, m.Type)
		require.NoError(t, m.Check(stun.NewShortTermIntegrity(c.Password), stun.Fingerprint))
		var mapped stun.XORMappedAddress
		require.NoError(t, mapped.GetFrom(m))
		require.Equal(t, at, mapped.String())
	}
	k, ok := ParseCheck(checkFor(c, "another password", false))
	require.True(t, ok)
	require.False(t, k.Nominated)
	require.False(t, k.ProvenBy(c))
	require.Nil(t, k.Answer(c, netip.AddrPort{}))
}

func FuzzParseCheck(f *testing.F) {
	c := NewCredentials()
	f.Add(checkFor(c, c.Password, true))
	f.Add([]byte("\x00\x01\x00\x00\x21\x12\xa4\x42............"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, ok := ParseCheck(b)
		if !ok {
			return
		}
		require.False(t, k.ProvenBy(NewCredentials()))
		require.NotEmpty(t, k.Answer(c, netip.MustParseAddrPort("192.0.2.1:5")))
	})
}
