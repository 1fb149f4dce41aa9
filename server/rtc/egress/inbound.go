package egress

import (
	"encoding/binary"
	"errors"
	"sync"

	"github.com/pion/srtp/v3"
)

// maxSenders bounds the SSRCs that a viewer reports from: one for each medium
// is usual. The context keeps a state for each.
const maxSenders = 16

var (
	errEarly   = errors.New("SRTCP before the handshake is done")
	errSenders = errors.New("too many SSRCs")
)

// inbound opens a viewer's SRTCP. It is locked because a viewer can be heard
// over the socket and over TURN at once, which are two goroutines.
type inbound struct {
	// guarded by mu
	mu      sync.Mutex
	context *srtp.Context // nil until the handshake is done
	senders map[uint32]struct{}
}

func (in *inbound) use(c *srtp.Context) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.context, in.senders = c, map[uint32]struct{}{}
}

// open decrypts a packet. Only an SSRC whose packet was authentic is
// remembered.
func (in *inbound) open(b []byte) ([]byte, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.context == nil {
		return nil, errEarly
	}
	var ssrc uint32
	if len(b) >= 8 { // what is shorter is refused below
		ssrc = binary.BigEndian.Uint32(b[4:])
	}
	if _, known := in.senders[ssrc]; !known && len(in.senders) == maxSenders {
		return nil, errSenders
	}
	plain, err := in.context.DecryptRTCP(nil, b, nil)
	if err != nil {
		return nil, err
	}
	in.senders[ssrc] = struct{}{}
	return plain, nil
}
