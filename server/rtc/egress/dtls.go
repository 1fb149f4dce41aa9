package egress

import (
	"github.com/heliograph/heliograph/server/rtc/seal"
	"github.com/pion/srtp/v3"
)

// Send implements handshake.Owner.
func (v *Viewer) Send(b []byte) {
	if to := v.to.Load(); to != nil {
		v.engine.send(b, *to)
	}
}

// Secured implements handshake.Owner: it gives the shard the keys.
func (v *Viewer) Secured(in *srtp.Context, out *seal.Sealer) {
	v.ice.Settle()
	v.in.use(in)
	v.shard.post(v, func(s *shard, v *Viewer) { s.add(v, out) })
}
