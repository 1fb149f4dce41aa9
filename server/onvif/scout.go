package onvif

import (
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/heliograph/heliograph/server/netguard"
)

// Why a camera cannot be asked; tell apart with errors.Is. Where the network
// failed, the error wraps its own.
var (
	ErrBusy     = errors.New("a search is running, try again in a few seconds")
	ErrEndpoint = errors.New("a camera's ONVIF address is like http://192.168.1.20/onvif/device_service")
	ErrPassword = errors.New("the camera does not accept this user name and password; some cameras have a user of their own for ONVIF")
	ErrAnswer   = errors.New("what answers there does not speak ONVIF as a camera does")
	ErrStreams  = errors.New("the camera names no stream")
)

// The group and port of WS-Discovery.
const (
	group = "239.255.255.250"
	port  = 3702
)

// callTime bounds one call of a camera.
const callTime = 5 * time.Second

// Scout looks for cameras. It is safe for concurrent use.
type Scout struct {
	// set at construction
	client   *http.Client
	to       netip.AddrPort               // where searches are sent
	from     func() ([]netip.Addr, error) // the machine's addresses, one of each network
	searches chan struct{}                // holds one entry while a search runs
}

// New returns a Scout.
func New() *Scout {
	return &Scout{
		client: &http.Client{
			Timeout: callTime,
			Transport: &http.Transport{
				DialContext: netguard.NewLocal().Dial,
				// Cameras sign their certificates themselves. The password is
				// not sent in the plain.
				TLSClientConfig:        &tls.Config{InsecureSkipVerify: true},
				MaxResponseHeaderBytes: 16 << 10,
				DisableKeepAlives:      true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		to:       netip.AddrPortFrom(netip.MustParseAddr(group), port),
		from:     addresses,
		searches: make(chan struct{}, 1),
	}
}

// maxNetworks bounds on how many networks a search is made.
const maxNetworks = 16

// addresses returns the machine's IPv4 addresses on networks that can carry a
// search.
func addresses() ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var list []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagMulticast == 0 || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			continue // it has just gone
		}
		for _, a := range addrs {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			if ip, ok := netip.AddrFromSlice(n.IP); ok && ip.Unmap().Is4() && len(list) < maxNetworks {
				list = append(list, ip.Unmap())
			}
		}
	}
	return list, nil
}
