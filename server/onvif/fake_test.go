package onvif

import (
	"crypto/md5"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// maker answers as the cameras of one maker do: their prefixes, namespaces and
// habits differ. %[1]s is the address that the camera believes to have.
type maker struct {
	match        string
	clock        string
	capabilities string
	services     string
	profiles     string
	uri          string
	denied       string
	digest       bool // wants HTTP Digest in place of the token
}

const (
	user     = "admin"
	password = `ge<h>eim"&`
)

func hikvision() maker {
	const head = `<?xml version="1.0" encoding="UTF-8"?><env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:tds="http://www.onvif.org/ver10/device/wsdl" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:ter="http://www.onvif.org/ver10/error"><env:Body>`
	const tail = `</env:Body></env:Envelope>`
	return maker{
		match: `<?xml version="1.0" encoding="UTF-8"?>
<env:Envelope xmlns:env="http://www.w3.org/2003/05/soap-envelope" xmlns:wsadis="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"><env:Header><wsadis:MessageID>urn:uuid:1</wsadis:MessageID></env:Header>
<env:Body><d:ProbeMatches><d:ProbeMatch><wsadis:EndpointReference><wsadis:Address>urn:uuid:2</wsadis:Address></wsadis:EndpointReference>
<d:Types>dn:NetworkVideoTransmitter tds:Device</d:Types>
<d:Scopes>onvif://www.onvif.org/type/video_encoder onvif://www.onvif.org/hardware/DS-2CD2043G0-I onvif://www.onvif.org/name/HIKVISION%20DS-2CD2043G0-I onvif://www.onvif.org/location/city/hangzhou</d:Scopes>
<d:XAddrs>http://%[1]s/onvif/device_service http://[fe80::1]/onvif/device_service</d:XAddrs><d:MetadataVersion>10</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></env:Body></env:Envelope>`,
		clock:        head + `<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>Manual</tt:DateTimeType><tt:UTCDateTime><tt:Time><tt:Hour>%[2]d</tt:Hour><tt:Minute>%[3]d</tt:Minute><tt:Second>%[4]d</tt:Second></tt:Time><tt:Date><tt:Year>2019</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day></tt:Date></tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>` + tail,
		capabilities: head + `<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media><tt:XAddr>http://%[1]s/onvif/Media</tt:XAddr></tt:Media></tds:Capabilities></tds:GetCapabilitiesResponse>` + tail,
		profiles: head + `<trt:GetProfilesResponse><trt:Profiles token="Profile_1" fixed="true"><tt:Name>mainStream</tt:Name><tt:VideoSourceConfiguration token="V"><tt:Name>x</tt:Name></tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="E" encoding="H264"><tt:Name>e</tt:Name><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>2560</tt:Width><tt:Height>1440</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles>
<trt:Profiles token="Profile_2" fixed="true"><tt:Name>subStream</tt:Name><tt:VideoEncoderConfiguration token="E2"><tt:Encoding>JPEG</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles></trt:GetProfilesResponse>` + tail,
		uri:    head + `<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://192.0.2.64:554/Streaming/Channels/101?transportmode=unicast&amp;profile=%[2]s</tt:Uri><tt:InvalidAfterConnect>false</tt:InvalidAfterConnect></trt:MediaUri></trt:GetStreamUriResponse>` + tail,
		denied: head + `<env:Fault><env:Code><env:Value>env:Sender</env:Value><env:Subcode><env:Value>ter:NotAuthorized</env:Value></env:Subcode></env:Code><env:Reason><env:Text xml:lang="en">Sender not Authorized</env:Text></env:Reason></env:Fault>` + tail,
	}
}

func axis() maker {
	const head = `<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:tt="http://www.onvif.org/ver10/schema" xmlns:trt="http://www.onvif.org/ver10/media/wsdl" xmlns:tds="http://www.onvif.org/ver10/device/wsdl"><SOAP-ENV:Header/><SOAP-ENV:Body>`
	const tail = `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
	return maker{
		match:        `<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope" xmlns:wsdd="http://schemas.xmlsoap.org/ws/2005/04/discovery"><SOAP-ENV:Body><wsdd:ProbeMatches><wsdd:ProbeMatch><wsdd:Scopes>onvif://www.onvif.org/name/AXIS%20M3045-V onvif://www.onvif.org/hardware/M3045-V</wsdd:Scopes><wsdd:XAddrs>http://%[1]s/onvif/device_service</wsdd:XAddrs></wsdd:ProbeMatch></wsdd:ProbeMatches></SOAP-ENV:Body></SOAP-ENV:Envelope>`,
		clock:        head + `<tds:GetSystemDateAndTimeResponse/>` + tail,
		capabilities: head + `<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:Receiver</SOAP-ENV:Value></SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="en">Optional Action Not Implemented</SOAP-ENV:Text></SOAP-ENV:Reason></SOAP-ENV:Fault>` + tail,
		services:     head + `<tds:GetServicesResponse><tds:Service><tds:Namespace>http://www.onvif.org/ver20/media/wsdl</tds:Namespace><tds:XAddr>http://%[1]s/onvif/services2</tds:XAddr></tds:Service><tds:Service><tds:Namespace>http://www.onvif.org/ver10/media/wsdl</tds:Namespace><tds:XAddr>http://%[1]s/onvif/services</tds:XAddr></tds:Service></tds:GetServicesResponse>` + tail,
		profiles:     head + `<trt:GetProfilesResponse><trt:Profiles token="profile_1_h264"><tt:Name>profile_1 h264</tt:Name><tt:VideoEncoderConfiguration><tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>1920</tt:Width><tt:Height>1080</tt:Height></tt:Resolution></tt:VideoEncoderConfiguration></trt:Profiles></trt:GetProfilesResponse>` + tail,
		uri:          head + `<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>rtsp://%[1]s/onvif-media/media.amp?profile=%[2]s&amp;streamtype=unicast</tt:Uri></trt:MediaUri></trt:GetStreamUriResponse>` + tail,
		digest:       true,
	}
}

func reolink() maker {
	const head = `<?xml version="1.0" encoding="gb2312"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://www.w3.org/2003/05/soap-envelope"><SOAP-ENV:Body>`
	const tail = `</SOAP-ENV:Body></SOAP-ENV:Envelope>`
	return maker{
		match:        head + `<ProbeMatches xmlns="http://schemas.xmlsoap.org/ws/2005/04/discovery"><ProbeMatch><Types>dn:NetworkVideoTransmitter</Types><Scopes>onvif://www.onvif.org/name/IPC-BO onvif://www.onvif.org/hardware/RLC-410` + "\xb5\xc6" + `</Scopes><XAddrs>http://%[1]s/onvif/device_service</XAddrs></ProbeMatch></ProbeMatches>` + tail,
		clock:        head + `<GetSystemDateAndTimeResponse xmlns="http://www.onvif.org/ver10/device/wsdl"><SystemDateAndTime><UTCDateTime><Time><Hour>25</Hour><Minute>x</Minute></Time></UTCDateTime></SystemDateAndTime></GetSystemDateAndTimeResponse>` + tail,
		capabilities: head + `<GetCapabilitiesResponse xmlns="http://www.onvif.org/ver10/device/wsdl"><Capabilities><Media xmlns="http://www.onvif.org/ver10/schema"><XAddr>http://%[1]s/onvif/media_service</XAddr></Media></Capabilities></GetCapabilitiesResponse>` + tail,
		profiles:     head + `<GetProfilesResponse xmlns="http://www.onvif.org/ver10/media/wsdl"><Profiles token="000"><Name>MainStream</Name></Profiles><Profiles token="audio"><Name>none</Name></Profiles></GetProfilesResponse>` + tail,
		uri:          head + `<GetStreamUriResponse xmlns="http://www.onvif.org/ver10/media/wsdl"><MediaUri><Uri xmlns="http://www.onvif.org/ver10/schema"> rtsp://%[1]s/h264Preview_01_main </Uri></MediaUri></GetStreamUriResponse>` + tail,
		denied:       head + `<SOAP-ENV:Fault><faultcode>SOAP-ENV:Client</faultcode><faultstring>Authority failure</faultstring></SOAP-ENV:Fault>` + tail,
	}
}

// camera is a maker's camera on the loopback.
type camera struct {
	maker
	server *httptest.Server
	skew   time.Duration // of its clock

	mu    sync.Mutex
	calls []string
	tries int // proofs that were wrong
}

func newCamera(t *testing.T, m maker) *camera {
	t.Helper()
	c := &camera{maker: m, skew: -24 * 365 * time.Hour}
	c.server = httptest.NewServer(c)
	t.Cleanup(c.server.Close)
	return c
}

// own is the address that the camera believes to have.
const own = "192.0.2.64"

var (
	callName  = regexp.MustCompile(`<s:Body><(\w+)`)
	tokenName = regexp.MustCompile(`<ProfileToken>([^<]*)`)
)

func (c *camera) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	all, _ := io.ReadAll(r.Body)
	body := string(all)
	name := callName.FindStringSubmatch(body)[1]
	c.mu.Lock()
	c.calls = append(c.calls, name+" "+r.URL.Path)
	c.mu.Unlock()
	if name != "GetSystemDateAndTime" && !c.proven(r, body) {
		c.mu.Lock()
		c.tries++
		c.mu.Unlock()
		if c.digest {
			w.Header().Set("WWW-Authenticate", `Digest realm="AXIS_ACCC8E", nonce="n1", algorithm=MD5, qop="auth"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, c.denied)
		return
	}
	now := time.Now().Add(c.skew).UTC()
	host := own + strings.TrimPrefix(r.Host, "127.0.0.1")
	switch name {
	case "GetSystemDateAndTime":
		text := strings.Replace(c.clock, "<tt:Year>2019</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day>", now.Format("<tt:Year>2006</tt:Year><tt:Month>1</tt:Month><tt:Day>2</tt:Day>"), 1)
		if strings.Contains(text, "%[2]d") {
			text = fmt.Sprintf(text, "", now.Hour(), now.Minute(), now.Second())
		}
		_, _ = io.WriteString(w, text)
	case "GetCapabilities":
		_, _ = io.WriteString(w, strings.ReplaceAll(c.capabilities, "%[1]s", host))
	case "GetServices":
		_, _ = io.WriteString(w, strings.ReplaceAll(c.services, "%[1]s", host))
	case "GetProfiles":
		_, _ = io.WriteString(w, c.profiles)
	case "GetStreamUri":
		token := tokenName.FindStringSubmatch(body)[1]
		if token == "audio" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, strings.NewReplacer("%[1]s", host, "%[2]s", token).Replace(c.uri))
	}
}

var (
	proof   = regexp.MustCompile(`#PasswordDigest">([^<]+)</Password><Nonce [^>]+>([^<]+)</Nonce><Created [^>]+>([^<]+)<`)
	another = regexp.MustCompile(`uri="([^"]*)".*nc=(\w+), cnonce="(\w+)", response="(\w+)"`)
)

// proven checks what a caller proves, by the camera's own clock.
func (c *camera) proven(r *http.Request, body string) bool {
	if c.digest {
		p := another.FindStringSubmatch(r.Header.Get("Authorization"))
		sum := func(s string) string { return fmt.Sprintf("%x", md5.Sum([]byte(s))) }
		return p != nil && p[4] == sum(sum(user+":AXIS_ACCC8E:"+password)+":n1:"+p[2]+":"+p[3]+":auth:"+sum("POST:"+p[1]))
	}
	p := proof.FindStringSubmatch(body)
	if p == nil {
		return c.clock == "" // a maker that lets anybody in
	}
	nonce, _ := base64.StdEncoding.DecodeString(p[2])
	created, err := time.Parse(time.RFC3339, p[3])
	if c.denied != "" && strings.Contains(c.clock, "UTCDateTime><tt:Time") {
		off := time.Since(created) + c.skew
		if err != nil || off.Abs() > 5*time.Second {
			return false
		}
	}
	sum := sha1.Sum([]byte(string(nonce) + p[3] + password))
	return base64.StdEncoding.EncodeToString(sum[:]) == p[1]
}

// responder answers searches on the loopback with what replies say.
func responder(t *testing.T, replies ...string) (to netip.AddrPort, asked func() []string) {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	var mu sync.Mutex
	var questions []string
	var running sync.WaitGroup
	running.Go(func() {
		buffer := make([]byte, 4096)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buffer)
			if err != nil {
				return
			}
			mu.Lock()
			questions = append(questions, string(buffer[:n]))
			mu.Unlock()
			for _, r := range replies {
				_, _ = conn.WriteToUDPAddrPort([]byte(r), from)
			}
		}
	})
	t.Cleanup(func() { _ = conn.Close(); running.Wait() })
	return conn.LocalAddr().(*net.UDPAddr).AddrPort(), func() []string {
		mu.Lock()
		defer mu.Unlock()
		return questions
	}
}
