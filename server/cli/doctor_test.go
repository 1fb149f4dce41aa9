package cli_test

import (
	"encoding/json"
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDoctorSaysWhatIsBlocked(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := "http://" + l.Addr().String()
	require.NoError(t, l.Close())
	r := run(t, "", "doctor", address)
	require.Equal(t, 1, r.code)
	require.Contains(t, r.out, "TCP        blocked")
	require.Contains(t, r.out, "whoever runs the server")
	require.Contains(t, r.err, "no way carries pictures and sound")
	require.NotContains(t, r.err, "--help")

	r = run(t, "", "doctor", "--json", address)
	require.Equal(t, 1, r.code)
	var report struct {
		Media   bool
		Results []struct{ Way, State string }
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &report))
	require.False(t, report.Media)
	require.Len(t, report.Results, 2)
	require.Equal(t, "blocked", report.Results[1].State)
}
