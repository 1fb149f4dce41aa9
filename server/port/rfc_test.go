package port

import (
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// TestSTUN has a row for each thing that RFC 8489 asks of a server that answers
// plain Binding requests. Those of TURN are in the tests of that.
func TestSTUN(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		test func(*testing.T)
	}{
		{"N1 vectors of RFC 5769", vectors},
		{"N2 XOR-MAPPED-ADDRESS", plainBindingIsAnswered},
		{"N2 unknown attributes", unknownAttributes},
		{"N2 FINGERPRINT", fingerprints},
		{"N2 foreign clients", foreignClients},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			row.test(t)
		})
	}
}

// vector is the request of section 2.1.
const vector = "\x00\x01\x00\x58\x21\x12\xa4\x42\xb7\xe7\xa7\x01\xbc\x34\xd6\x86\xfa\x87\xdf\xae" +
	"\x80\x22\x00\x10STUN test client" + "\x00\x24\x00\x04\x6e\x00\x01\xff" +
	"\x80\x29\x00\x08\x93\x2f\xf9\xb1\x51\x26\x3b\x36" + "\x00\x06\x00\x09evtj:h6vY   " +
	"\x00\x08\x00\x14\x9a\xea\xa7\x0c\xbf\xd8\xcb\x56\x78\x1e\xf2\xb5\xb2\xd3\xf2\x49\xc1\xb5\x71\xa2" +
	"\x80\x28\x00\x04\xe5\x7a\x3b\xcf"

// The addresses of our answers are byte for byte those of the vectors, and the
// request is read as what it is.
func vectors(t *testing.T) {
	request := []byte(vector)
	require.Equal(t, ClassICE, ClassifyUDP(request))
	require.Equal(t, "evtj", string(localUfrag(request)))
	require.True(t, intact(request))
	for i := range request[:len(request)-8] {
		request[i] ^= 1
		require.False(t, intact(request), i)
		request[i] ^= 1
	}
	var out [bindingSize]byte
	require.Nil(t, bindingRefusal(&out, request))
	for from, want := range map[string]string{ // sections 2.2 and 2.3
		"192.0.2.1:32853": "\x00\x20\x00\x08\x00\x01\xa1\x47\xe1\x12\xa6\x43",
		"[2001:db8:1234:5678:11:2233:4455:6677]:32853": "\x00\x20\x00\x14\x00\x02\xa1\x47" +
			"\x01\x13\xa9\xfa\xa5\xd3\xf1\x79\xbc\x25\xf4\xb5\xbe\xd2\xb9\xd9",
	} {
		answer := bindingAnswer(&out, request, netip.MustParseAddrPort(from))
		require.Equal(t, "\x01\x01", string(answer[:2]))
		require.Equal(t, vector[4:20], string(answer[4:20]))
		require.Equal(t, want, string(answer[20:]))
	}
}

// What has to be understood and is not is named, in an answer that is no longer
// than others.
func unknownAttributes(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	c := dial(t, p)
	strange := func(n int) []byte {
		m := stun.MustBuild(stun.TransactionID, stun.BindingRequest)
		for i := range n {
			m.Add(0xfff0, []byte("ignored"))
			m.Add(stun.AttrType(0x7000+i), make([]byte, i))
			m.Add(stun.AttrPriority, make([]byte, 4))
		}
		return m.Raw
	}
	for n := range 2 * maxStrange {
		request := strange(n)
		_, err := c.Write(request)
		require.NoError(t, err)
		answer := []byte(read(t, c))
		require.LessOrEqual(t, len(answer), bindingSize)
		m := &stun.Message{Raw: answer}
		require.NoError(t, m.Decode())
		require.Equal(t, string(request[8:20]), string(m.TransactionID[:]))
		if n == 0 {
			require.Equal(t, stun.BindingSuccess, m.Type)
			continue
		}
		require.Equal(t, stun.BindingError, m.Type)
		var code stun.ErrorCodeAttribute
		var named stun.UnknownAttributes
		require.NoError(t, m.Parse(&code, &named))
		require.Equal(t, stun.CodeUnknownAttribute, code.Code)
		require.Len(t, named, min(n, maxStrange))
		require.EqualValues(t, 0x7000+len(named)-1, named[len(named)-1])
	}
}

func fingerprints(t *testing.T) {
	p := open(t, "127.0.0.1:0")
	c := dial(t, p)
	wrong := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.RawAttribute{Type: stun.AttrFingerprint, Value: []byte("evil")})
	right := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.Fingerprint)
	for _, m := range []*stun.Message{wrong, right} {
		_, err := c.Write(m.Raw)
		require.NoError(t, err)
	}
	require.Equal(t, string(right.Raw[8:20]), read(t, c)[8:20])
	require.EqualValues(t, 1, p.count.garbage.Value())
}

// Clients we did not write agree. One of them finds out what NAT it is behind,
// for which it needs a server with two addresses, and sees that this has one.
func foreignClients(t *testing.T) {
	for _, command := range [][]string{{"turnutils_stunclient"}, {"turnutils_natdiscovery", "-m"}, {"turnutils_natdiscovery", "-f"}} {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			program, err := exec.LookPath(command[0])
			if err != nil {
				t.Skip(command[0] + " is not installed (Debian: coturn)")
			}
			p := open(t, "127.0.0.1:0")
			args := append(command[1:], "-p", strconv.Itoa(int(p.Addr().Port())), "127.0.0.1")
			out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "UDP reflexive addr: 127.0.0.1:")
		})
	}
}

// Whatever a plain request holds, it gets one answer, well formed and short.
func FuzzBinding(f *testing.F) {
	f.Add([]byte(vector)[20:])
	f.Add([]byte("\x00\x03\x00\x04\x00\x00\x00\x06"))
	f.Fuzz(func(t *testing.T, attributes []byte) {
		request := stunMessage(0x0001, attributes...)
		if ClassifyUDP(request) != ClassSTUN {
			return
		}
		_ = intact(request)
		var out [bindingSize]byte
		answer := bindingRefusal(&out, request)
		if answer == nil {
			answer = bindingAnswer(&out, request, netip.MustParseAddrPort("[2001:db8::1]:5"))
		}
		m := &stun.Message{Raw: answer}
		if err := m.Decode(); err != nil || string(m.TransactionID[:]) != string(request[8:20]) {
			t.Fatal(answer, err)
		}
	})
}
