package port

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/pion/stun/v4"
	"github.com/stretchr/testify/require"
)

// stunMessage builds a STUN message with attributes.
func stunMessage(kind uint16, attrs ...byte) []byte {
	b := make([]byte, stunHeader, stunHeader+len(attrs))
	binary.BigEndian.PutUint16(b, kind)
	binary.BigEndian.PutUint16(b[2:], uint16(len(attrs)))
	binary.BigEndian.PutUint32(b[4:], stunCookie)
	copy(b[8:], "transaction!")
	return append(b, attrs...)
}

// usernameAttr builds a USERNAME, padded.
func usernameAttr(name string) []byte {
	b := binary.BigEndian.AppendUint16(nil, attrUsername)
	b = binary.BigEndian.AppendUint16(b, uint16(len(name)))
	b = append(b, name...)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

// corrupt returns b with one byte changed.
func corrupt(b []byte, at int, value byte) []byte {
	b[at] = value
	return b
}

func TestClassifyUDP(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		b    []byte
		want Class
	}{
		"plain binding":               {stunMessage(0x0001), ClassSTUN},
		"check":                       {stunMessage(0x0001, usernameAttr("ours:theirs")...), ClassICE},
		"check, username not first":   {stunMessage(0x0001, append([]byte{0x80, 0x22, 0, 1, 'x', 0, 0, 0}, usernameAttr("a:b")...)...), ClassICE},
		"binding success":             {stunMessage(0x0101), ClassICE},
		"binding error":               {stunMessage(0x0111), ClassICE},
		"binding indication":          {stunMessage(0x0011), ClassICE},
		"allocate":                    {stunMessage(0x0003), ClassTURN},
		"refresh":                     {stunMessage(0x0004), ClassTURN},
		"create permission":           {stunMessage(0x0008), ClassTURN},
		"channel bind":                {stunMessage(0x0009), ClassTURN},
		"send indication":             {stunMessage(0x0016), ClassTURN},
		"send request":                {stunMessage(0x0006), ClassDrop},
		"data indication":             {stunMessage(0x0017), ClassDrop},
		"allocate success":            {stunMessage(0x0103), ClassDrop},
		"connect, rfc 6062":           {stunMessage(0x000a), ClassDrop},
		"channel data, first":         {[]byte{0x40, 0, 0, 4, 1, 2, 3, 4}, ClassTURN},
		"channel data, last":          {[]byte{0x4f, 0xff, 0, 0}, ClassTURN},
		"above channels":              {[]byte{0x50, 0, 0, 0}, ClassDrop},
		"dtls, first":                 {[]byte{20, 0xfe, 0xfd, 0}, ClassMedia},
		"dtls, last":                  {[]byte{63, 0, 0, 0}, ClassMedia},
		"rtp":                         {[]byte{0x80, 96, 0, 0}, ClassMedia},
		"rtp, last":                   {[]byte{0xbf, 200, 0, 0}, ClassMedia},
		"quic long header":            {[]byte{0xc3, 0, 0, 0}, ClassDrop},
		"zrtp range":                  {[]byte{16, 0, 0, 0}, ClassDrop},
		"nothing":                     {nil, ClassDrop},
		"three bytes":                 {[]byte{0x80, 96, 0}, ClassDrop},
		"no cookie (rfc 3489)":        {make([]byte, stunHeader), ClassDrop},
		"header too short":            {stunMessage(0x0001)[:19], ClassDrop},
		"length too long":             {corrupt(stunMessage(0x0001), 3, 4), ClassDrop},
		"length too short":            {corrupt(stunMessage(0x0001, usernameAttr("a:b")...), 3, 4), ClassDrop},
		"username longer than packet": {stunMessage(0x0001, 0, 6, 0xff, 0xff, 'a', ':', 'b', 0), ClassSTUN},
	} {
		require.Equal(t, c.want, ClassifyUDP(c.b), name)
	}
}

func TestLocalUfrag(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"ours:theirs": "ours", "a:": "a", ":b": "", "nocolon": "", "": "", "a:b:c": "a"} {
		require.Equal(t, want, string(localUfrag(stunMessage(0x0001, usernameAttr(name)...))), name)
	}
	built := stun.MustBuild(stun.TransactionID, stun.BindingRequest, stun.NewSoftware("odd"), stun.NewUsername("loc:rem"), stun.Fingerprint)
	require.Equal(t, "loc", string(localUfrag(built.Raw)))
}

// The vectors of RFC 5769, as far as this package reads such messages.
func TestRFC5769(t *testing.T) {
	t.Parallel()
	vector := func(s string) []byte { return unhex(t, s) }
	request := vector(`000100582112a442b7e7a701bc34d686fa87dfae 802200105354554e207465737420636c69656e74
		002400046e0001ff 80290008932ff9b151263b36 000600096576746a3a68367659202020
		000800149aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004e57a3bcf`)
	require.Equal(t, ClassICE, ClassifyUDP(request))
	require.True(t, isCheck(request))
	require.Equal(t, "evtj", string(localUfrag(request)))

	response4 := vector(`0101003c2112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
		002000080001a147e112a643 000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004c07d4c96`)
	require.Equal(t, ClassICE, ClassifyUDP(response4))
	require.False(t, isCheck(response4))
	response6 := vector(`010100482112a442b7e7a701bc34d686fa87dfae 8022000b7465737420766563746f7220
		002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9 00080014a382954e4be67bf11784c97c8292c275bfe3ed41 80280004c8fb0b4c`)
	require.Equal(t, ClassICE, ClassifyUDP(response6))

	// Our own answers carry the same attribute, byte for byte.
	var out [bindingSize]byte
	answer := bindingAnswer(&out, request, netip.MustParseAddrPort("192.0.2.1:32853"))
	require.Equal(t, response4[36:48], answer[20:])
	answer = bindingAnswer(&out, request, netip.MustParseAddrPort("[2001:db8:1234:5678:11:2233:4455:6677]:32853"))
	require.Equal(t, response6[36:60], answer[20:])

	longTerm := vector(`000100602112a44278ad3433c6ad72c029da412e 00060012e3839ee38388e383aae38383e382afe382b90000
		0015001c662f2f3439396b39353464364f4c33346f4c39465354767936347341 0014000b6578616d706c652e6f726700
		00080014f67024656dd64a3e02b8e0712e85c9a28ca89666`)
	require.Equal(t, ClassICE, ClassifyUDP(longTerm), "a username makes it a check ...")
	require.Empty(t, localUfrag(longTerm), "... of no session")
}

func TestBindingAnswerIsReadable(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"203.0.113.7:4660", "[2001:db8::7]:4660"} {
		var out [bindingSize]byte
		request := stunMessage(0x0001)
		m := &stun.Message{Raw: bindingAnswer(&out, request, netip.MustParseAddrPort(from))}
		require.NoError(t, m.Decode())
		require.Equal(t, stun.BindingSuccess, m.Type)
		require.Equal(t, request[8:20], m.TransactionID[:])
		var x stun.XORMappedAddress
		require.NoError(t, x.GetFrom(m))
		require.Equal(t, from, x.String())
		require.LessOrEqual(t, len(m.Raw), bindingSize)
	}
}

func TestClassifyStream(t *testing.T) {
	t.Parallel()
	for first, want := range map[string]Stream{
		"":                                      StreamMore,
		"G":                                     StreamMore,
		"GET ":                                  StreamHTTP,
		"PROPFIND /":                            StreamHTTP,
		"OPTIONSX":                              StreamMore,
		"VERSION-CONTROL":                       StreamUnknown,
		"ABCDEFGHIJKLMNOP":                      StreamHTTP,
		"OPTIONS * HTTP/1.1":                    StreamHTTP,
		"OPTIONS /watch":                        StreamHTTP,
		"OPTIONS http://x":                      StreamHTTP,
		"OPTIONS * ":                            StreamMore,
		"OPTIONS r":                             StreamMore,
		"OPTIONS rtsp":                          StreamRTSP,
		"OPTIONS RTSPS://":                      StreamRTSP,
		"OPTIONS * RTSP/1.0":                    StreamRTSP,
		"DESCRIBE ":                             StreamRTSP,
		"SETUP ":                                StreamRTSP,
		"GET_PARAMETER ":                        StreamRTSP,
		"SET_PARAMETER":                         StreamMore,
		"PRI * HTTP/2.0":                        StreamHTTP,
		"PROXY TCP4":                            StreamUnknown,
		"PROX":                                  StreamMore,
		"GO / HTTP/1.1":                         StreamUnknown,
		"get / HTTP/1.1":                        StreamUnknown,
		"GeT /":                                 StreamUnknown,
		"SSH-2.0-x":                             StreamUnknown,
		"\x16":                                  StreamMore,
		"\x16\x03\x01\x02\x00\x01":              StreamTLS,
		"\x16\x02":                              StreamUnknown,
		"\x03":                                  StreamRTMP,
		"\x00\x03\x00\x08\x21\x12\xa4\x42":      StreamTURN,
		"\x00\x01\x00\x00\x21\x12\xa4\x42":      StreamTURN,
		"\x00\x03\x00\x08\x21\x12\xa4":          StreamMore,
		"\x00\x03\x00\x08\x21\x12\xa4\x43":      StreamUnknown,
		"\x00\x03\x00\x07":                      StreamUnknown,
		"\x00\x16":                              StreamMore,
		"\x00\x16\x00\x00":                      StreamUnknown,
		"\x01\x01":                              StreamMore,
		"\x01\x01\x01":                          StreamUnknown,
		"\x00\x58\x00\x01\x00\x44\x21\x12\xa4B": StreamICE,
		"\x01\x14\x00\x01\x01\x00\x21\x12\xa4B": StreamICE,
		"\x00\x58\x00\x01\x00\x44\x21\x12\xa4":  StreamMore,
		"\x00\x58\x00\x01\x00\x40\x21\x12\xa4B": StreamUnknown, // the frame holds more than the message
		"\x00\x58\x01\x01\x00\x44\x21\x12\xa4B": StreamUnknown, // no request
		"\x0d\x0a\x0d\x0a\x00\x0d\x0a":          StreamUnknown,
	} {
		require.Equal(t, want, ClassifyStream([]byte(first)), "%q", first)
	}
}

func FuzzClassifyUDP(f *testing.F) {
	f.Add(stunMessage(0x0001))
	f.Add(stunMessage(0x0001, usernameAttr("ours:theirs")...))
	f.Add(stunMessage(0x0001, 0, 6, 0xff, 0xff))
	f.Add([]byte{0x80, 96, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		class := ClassifyUDP(b)
		if class == ClassICE && isCheck(b) {
			if _, ok := username(b); !ok {
				t.Fatal("a check without a username")
			}
		}
		if class == ClassSTUN {
			var out [bindingSize]byte
			if got := ClassifyUDP(bindingAnswer(&out, b, netip.MustParseAddrPort("192.0.2.1:5"))); got != ClassICE {
				t.Fatal("an answer that is no STUN", got)
			}
		}
	})
}

func FuzzUsername(f *testing.F) {
	f.Add(stunMessage(0x0001, usernameAttr("ours:theirs")...))
	f.Add(stunMessage(0x0001, 0x80, 0x22, 0, 3, 'a', 'b', 'c', 0, 0, 6, 0, 1, ':', 0, 0, 0))
	f.Add([]byte{0, 6})
	f.Fuzz(func(t *testing.T, b []byte) {
		name, ok := username(b)
		ufrag := localUfrag(b)
		if !ok && (name != nil || ufrag != nil) {
			t.Fatal("a name out of nothing")
		}
		m := &stun.Message{Raw: b}
		var theirs stun.Username
		if m.Decode() == nil && theirs.GetFrom(m) == nil && int(m.Length)+stunHeader == len(b) && theirs.String() != string(name) {
			t.Fatalf("%q, another parser reads %q", name, theirs)
		}
	})
}

func FuzzClassifyStream(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Add([]byte("PRI * HTTP/2.0"))
	f.Add(stunMessage(0x0003))
	f.Add(appendFrame(nil, stunMessage(0x0001)))
	f.Add([]byte("OPTIONS * RTSP/1.0"))
	f.Add([]byte("GET_PARAMETER *"))
	f.Fuzz(func(t *testing.T, b []byte) {
		decided := StreamMore
		for n := range len(b) + 1 {
			got := ClassifyStream(b[:n])
			if decided != StreamMore && got != decided {
				t.Fatalf("%v after %d bytes, then %v", decided, n-1, got)
			}
			if decided = got; n >= streamPrefix && got == StreamMore {
				t.Fatalf("undecided after %d bytes", n)
			}
		}
	})
}
