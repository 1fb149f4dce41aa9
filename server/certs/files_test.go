package certs

import (
	"crypto/x509"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pairFor makes a certificate for a name and writes it to two files.
func pairFor(t *testing.T, certificate, key, name string) {
	t.Helper()
	made, err := NewSelf(t.TempDir(), []string{name}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	b, err := os.ReadFile(made.file)
	require.NoError(t, err)
	i := strings.Index(string(b), "-----BEGIN PRIVATE")
	require.NoError(t, os.WriteFile(certificate, b[:i], 0o600))
	require.NoError(t, os.WriteFile(key, b[i:], 0o600))
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "live.crt"), filepath.Join(dir, "live.key")
	_, err := NewFiles(certificate, key, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, certificate)

	pairFor(t, certificate, key, "one.example.com")
	f, err := NewFiles(certificate, key, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.False(t, f.Trusted())
	require.Equal(t, "one.example.com", f.Host())
	is := func(name string) func() bool {
		return func() bool {
			leaf, err := served(f, "")
			return err == nil && leaf.VerifyHostname(name) == nil
		}
	}
	require.True(t, is("one.example.com")())

	// The certificate is changed before its key: until both fit, the old stays.
	next := t.TempDir()
	pairFor(t, filepath.Join(next, "c"), filepath.Join(next, "k"), "two.example.com")
	require.NoError(t, os.Rename(filepath.Join(next, "c"), certificate))
	f.look()
	require.True(t, is("one.example.com")())
	require.NoError(t, os.Rename(filepath.Join(next, "k"), key))
	f.every = 5 * time.Millisecond
	stop := run(t, f)
	require.Eventually(t, is("two.example.com"), patience, 5*time.Millisecond)
	stop()
	require.NoError(t, os.Remove(key))
	f.look()
	require.True(t, is("two.example.com")())
}

func TestSelf(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	s, err := NewSelf(data, []string{"Live.Example.com", "192.0.2.7", "[2001:db8::7]", "*.bad", ""}, log)
	require.NoError(t, err)
	leaf := s.current.Load().Leaf
	for _, h := range []string{"live.example.com", "192.0.2.7", "2001:db8::7", "localhost", "127.0.0.1"} {
		require.NoError(t, leaf.VerifyHostname(h))
	}
	require.False(t, leaf.IsCA)
	require.Equal(t, x509.ECDSA, leaf.PublicKeyAlgorithm)
	require.LessOrEqual(t, leaf.NotAfter.Sub(leaf.NotBefore), 398*24*time.Hour, "what browsers let last")
	require.False(t, s.Trusted())
	require.Empty(t, s.Host())
	require.Regexp(t, `^([0-9A-F]{2}:){31}[0-9A-F]{2}$`, s.Fingerprint())
	info, err := os.Stat(s.file)
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm())

	again, err := NewSelf(data, []string{"live.example.com"}, log)
	require.NoError(t, err)
	require.Equal(t, s.Fingerprint(), again.Fingerprint(), "kept")
	got, err := served(again, "")
	require.NoError(t, err)
	require.Equal(t, leaf.SerialNumber, got.SerialNumber)

	more, err := NewSelf(data, []string{"other.example.com"}, log)
	require.NoError(t, err)
	require.NotEqual(t, s.Fingerprint(), more.Fingerprint(), "a name was missing")
	require.NoError(t, more.renew(time.Now().Add(selfLife-selfRenew+2*time.Hour)))
	require.NotEqual(t, leaf.SerialNumber, more.current.Load().Leaf.SerialNumber)
	was := more.Fingerprint()
	require.NoError(t, os.WriteFile(more.file, []byte("broken"), 0o600))
	require.NoError(t, more.renew(time.Now()))
	require.NotEqual(t, was, more.Fingerprint())
	run(t, more)()

	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = NewSelf(file, nil, log)
	require.Error(t, err, "no folder to keep it in")
}

// A certificate that ends says so once a week before, and once when it has.
func TestFilesWarnOfTheirEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "live.crt"), filepath.Join(dir, "live.key")
	pairFor(t, certificate, key, "one.example.com")
	log := &warnings{}
	f, err := NewFiles(certificate, key, slog.New(log))
	require.NoError(t, err)
	end := f.current.Load().Leaf.NotAfter
	for _, left := range []time.Duration{8 * 24 * time.Hour, 6 * 24 * time.Hour, time.Hour, -time.Hour, -2 * time.Hour} {
		f.judge(end.Add(-left))
	}
	require.Len(t, log.texts, 3)
	require.Equal(t, "certificate read", log.texts[0])
	require.Contains(t, log.texts[1], "expires soon")
	require.Contains(t, log.texts[2], "has expired")
}

func TestTemporaryAddresses(t *testing.T) {
	t.Parallel()
	require.Equal(t, []netip.Addr{netip.MustParseAddr("2001:db8::a1b2:c3d4")}, temporary(
		"20010db800000000000000000000000a 02 40 00 00     eth0\n"+
			"20010db80000000000000000a1b2c3d4 02 40 00 01     eth0\n"+
			"fe800000000000000000000000000001 02 40 20 80     eth0\n"+
			"00 02 40 00 01     eth0\nzz 02 40 00 01 eth0\n\ngarbage\n"))
	require.Empty(t, temporary(""))
}

func TestHostsAreBounded(t *testing.T) {
	t.Parallel()
	var h hosts
	for i := range 100 {
		h.add(net.IPv4(10, 0, 0, byte(i)).String())
		h.add(net.IPv4(10, 0, 0, byte(i)).String())
	}
	require.Len(t, h.all(), maxHosts)
}
