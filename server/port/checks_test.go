package port

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// unhex reads bytes in groups.
func unhex(t testing.TB, s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	require.NoError(t, err)
	return b
}

// checks are ICE checks as they were sent, an attribute a group: all begin with
// USERNAME but the one of RFC 5769, where it is the fourth.
func checks(t testing.TB) map[string][]byte {
	return map[string][]byte{
		"chromium-156": unhex(t, `0001004c2112a44237596e4c47425166754f4748
			00060009524e78663a38547068000000 c0570004000003e7 802a00081f8a9f86064c67a6 002400046e001eff
			00080014ce657bad80a4ffd5b5673dea03ea0bb532551a76 8028000483fdae1f`),
		"firefox-153": unhex(t, `000100502112a442f6ae091c03bf765c366e0992
			0006001162646136383462653a3334396334303531000000 00250000 002400046e7e00ff 802a0008b99caae573221c9f
			0008001484fc823c7324b46aa7b794200e808039ce57fe9a 8028000483a212a6`),
		"pion-4": unhex(t, `0001005c2112a4423f539bd503cbfdcd4f4db7a5
			00060021466a734b65717a424a744b446751734d3a6142634465466748694a6b4c6d4e6f50000000
			802a00081122334455667788 002400046effffff
			000800149420aba7691dba554358ec4c62c8fd06f185edec 802800041a9a9ef4`),
		"rfc5769": []byte(vector),
	}
}

// checkFor is a check as Chromium sends it, with another USERNAME.
func checkFor(t testing.TB, name string) []byte {
	const attributes = 36 // behind the USERNAME
	return stunMessage(bindingRequest, append(usernameAttr(name), checks(t)["chromium-156"][attributes:]...)...)
}
