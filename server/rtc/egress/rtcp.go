package egress

import (
	"time"

	"github.com/pion/rtcp"
)

// feedback takes an SRTCP packet from the viewer.
func (v *Viewer) feedback(b []byte) {
	plain, err := v.in.open(b)
	if err != nil {
		v.engine.count.badRTCP.Inc()
		return
	}
	packets, err := rtcp.Unmarshal(plain)
	if err != nil {
		v.engine.count.badRTCP.Inc()
		return
	}
	v.heard(time.Now())
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.TransportLayerNack:
			v.engine.count.nacked.Add(uint64(v.wishes.packets(p)))
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			v.engine.count.keyframes.Inc()
			v.wishes.newKeyframe()
		}
	}
	if v.wishes.unheard() {
		v.shard.post(v, (*shard).grant)
	}
}

// report sends every viewer a sender report for each of its lanes, by which it
// plays audio and video in step (RFC 3550 section 6.4.1).
func (s *shard) report(now time.Time) {
	for _, g := range s.groups {
		for _, v := range g.viewers {
			s.reportTo(v, now)
		}
		g.ready.Store(true) // lanes that wait for a keyframe ask again
	}
}

func (s *shard) reportTo(v *Viewer, now time.Time) {
	defer s.contain(v)
	to := v.to.Load()
	if to == nil || v.out == nil {
		return
	}
	for _, l := range v.lanes {
		if l.track == nil || l.packets == 0 {
			continue
		}
		stamp, ok := l.track.StampAt(now)
		if !ok {
			continue
		}
		plain, err := rtcp.Marshal([]rtcp.Packet{
			&rtcp.SenderReport{SSRC: l.ssrc, NTPTime: ntp(now), RTPTime: stamp, PacketCount: l.packets, OctetCount: l.octets},
			&rtcp.SourceDescription{Chunks: []rtcp.SourceDescriptionChunk{{
				Source: l.ssrc, Items: []rtcp.SourceDescriptionItem{{Type: rtcp.SDESCNAME, Text: cname}},
			}}},
		})
		if err != nil {
			continue
		}
		if sealed, err := v.out.EncryptRTCP(nil, plain, nil); err == nil {
			s.engine.send(sealed, *to)
		}
	}
}

// ntp returns a time as seconds since 1900 in 32.32 fixed point.
func ntp(t time.Time) uint64 {
	const toUnix = 2_208_988_800
	return uint64(t.Unix()+toUnix)<<32 | uint64(t.Nanosecond())<<32/1e9
}
