package turn

import (
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client we did not write, over UDP and TCP: it allocates and refreshes, and
// is refused the peer beside ours that it always tries.
func TestTurnutils(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("turnutils_uclient")
	if err != nil {
		t.Skip("turnutils_uclient is not installed (Debian: coturn)")
	}
	both(t, func(t *testing.T, h *house, network string) {
		user, password, _ := h.Credentials("foreign client")
		args := []string{"-v", "-c", "-n", "1", "-m", "1", "-u", user, "-w", password, "-p", strconv.Itoa(int(h.addr.Port()))}
		if network == "tcp" {
			args = append(args, "-t")
		}
		args = append(args, "-e", "127.0.0.1", "-r", strconv.Itoa(int(h.addr.Port())), "127.0.0.1")
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		require.Error(t, err, "refused")
		for _, step := range []string{"Received relay addr: 127.0.0.1:", "refresh response received", "channel bind: error 403"} {
			require.Contains(t, string(out), step)
		}
	})
}
