package whipclient

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// An answer with thousands of candidates must not make us fire at them all.
func TestBounded(t *testing.T) {
	t.Parallel()
	answer := "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n"
	for n := range 500 {
		answer += fmt.Sprintf("a=candidate:%d 1 udp 1 8.8.%d.%d 53 typ host\r\n", n, n/250, n%250)
	}
	answer += "a=ice-lite\r\n"
	got := bounded(answer)
	require.Equal(t, got, bounded(strings.ReplaceAll(answer, "\r\n", "\r")), "pion takes either for the end of a line")
	require.Equal(t, maxCandidates, strings.Count(got, "a=candidate"))
	require.Contains(t, got, "8.8.0.0 ")
	require.True(t, strings.HasSuffix(got, "a=ice-lite\r\n"))
	require.True(t, strings.HasPrefix(got, "v=0\r\nm=video"))
}
