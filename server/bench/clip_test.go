package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// annexB writes NALs with start codes of both lengths.
func annexB(nals ...[]byte) []byte {
	var out []byte
	for i, nal := range nals {
		if i%2 == 0 {
			out = append(out, 0)
		}
		out = append(append(out, 0, 0, 1), nal...)
	}
	return out
}

func writeTinyFile(t *testing.T) string {
	t.Helper()
	idr := append([]byte{nalIDR | 3<<5, 0x88}, bytes.Repeat([]byte{0x33}, 2500)...)
	file := filepath.Join(t.TempDir(), "tiny.h264")
	require.NoError(t, os.WriteFile(file, annexB([]byte{nalSPS, 1}, []byte{nalPPS, 2}, idr), 0o600))
	return file
}
