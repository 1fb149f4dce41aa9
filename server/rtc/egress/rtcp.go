package egress

import (
	"time"

	"github.com/pion/rtcp"
)

// maxNumbers bounds how many packets one NACK may ask for.
const maxNumbers = 256

// feedback takes an SRTCP packet from the viewer. It runs on the port's
// reader, which is the only user of the inbound context.
func (v *Viewer) feedback(b []byte) {
	v.mu.Lock()
	in := v.in
	v.mu.Unlock()
	if in == nil {
		return
	}
	plain, err := in.DecryptRTCP(nil, b, nil)
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
			v.nack(p)
		case *rtcp.PictureLossIndication, *rtcp.FullIntraRequest:
			v.engine.count.keyframes.Inc()
			v.shard.post(func(s *shard) { s.ask(v) })
		}
	}
}

// nack collects the numbers that a NACK names (RFC 4585 section 6.2.1).
func (v *Viewer) nack(p *rtcp.TransportLayerNack) {
	var numbers []uint16
	for _, pair := range p.Nacks {
		pair.Range(func(n uint16) bool {
			numbers = append(numbers, n)
			return len(numbers) < maxNumbers
		})
		if len(numbers) >= maxNumbers {
			break
		}
	}
	v.engine.count.nacked.Add(uint64(len(numbers)))
	v.shard.post(func(s *shard) { s.resend(v, p.MediaSSRC, numbers) })
}

// report sends every viewer a sender report for each of its lanes, by which it
// plays audio and video in step (RFC 3550 section 6.4.1).
func (s *shard) report(now time.Time) {
	for _, g := range s.groups {
		for _, v := range g.viewers {
			if to := v.to.Load(); to != nil && v.out != nil {
				s.reportTo(v, now)
			}
		}
		g.ready.Store(true) // lanes that wait for a keyframe ask again
	}
}

func (s *shard) reportTo(v *Viewer, now time.Time) {
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
			s.engine.send(sealed, *v.to.Load())
		}
	}
}

// ntp returns a time as seconds since 1900 in 32.32 fixed point.
func ntp(t time.Time) uint64 {
	const toUnix = 2_208_988_800
	return uint64(t.Unix()+toUnix)<<32 | uint64(t.Nanosecond())<<32/1e9
}
