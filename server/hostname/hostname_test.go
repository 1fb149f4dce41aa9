package hostname

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestValid(t *testing.T) {
	t.Parallel()
	label := strings.Repeat("a", 63)
	longest := strings.Join([]string{label, label, label, label[:61]}, ".")
	for s, want := range map[string]bool{
		"localhost": true, "live.example.org": true, "a-b.4": true, "LIVE": true, label: true, longest: true,
		"": false, ".": false, "live.": false, "-a": false, "a-": false, "a_b": false, "a b": false, "a..b": false,
		"live:80": false, "http://live": false, "[::1]": false, "::1": false, "live\n": false, label + "a": false, longest + "a": false,
	} {
		require.Equal(t, want, Valid(s), "%q", s)
	}
}
