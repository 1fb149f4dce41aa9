package media

// look searches a packet of a keyframe for what says how its pictures are, and
// a packet of a picture that went back in time for what kind it is.
func (p *Probe) look(ts uint32, at int64, payload []byte, keyframe bool) {
	if keyframe {
		p.key(ts)
	}
	if len(payload) < 2 {
		return
	}
	switch p.codec {
	case H264:
		p.lookH264(payload, at, keyframe)
	case H265:
		p.lookH265(payload, at, keyframe)
	case AV1:
		if keyframe {
			p.lookAV1(payload, at)
		}
	case VP8:
		header := 1
		if payload[0]&vp8Extended != 0 {
			header = vp8DescriptorSize(payload)
		}
		if s, ok := shapeVP8(payload[min(header, len(payload)):]); ok {
			p.another(s, at)
		}
	case VP9:
		if payload[0]&vp9Begin == 0 || p.pausing(at) {
			return
		}
		if s, ok := shapeVP9Packet(payload); ok {
			p.another(s, at)
		}
	}
}

// unit is look for a unit of a frame.
func (p *Probe) unit(u []byte, at int64, keyframe bool) {
	if len(u) < 2 {
		return
	}
	switch p.codec {
	case H264:
		p.unitH264(u, at, keyframe)
	case H265:
		p.unitH265(u, at, keyframe)
	case AV1:
		if obuType(u) == obuSequence {
			p.parameters(u, at)
		}
	case VP8:
		if s, ok := shapeVP8(u); ok {
			p.another(s, at)
		}
	case VP9:
		if s, ok := shapeVP9(u); ok {
			p.another(s, at)
		}
	}
}

func (p *Probe) lookH264(payload []byte, at int64, keyframe bool) {
	switch payload[0] & h264TypeMask {
	case h264STAPA:
		for u := range aggregated(payload[1:]) {
			p.unitH264(u, at, keyframe)
		}
	case h264FUA:
		if p.order.doubt && payload[1]&fuStart != 0 {
			p.sliceH264(payload[1]&h264TypeMask, payload[2:])
		}
	default:
		p.unitH264(payload, at, keyframe)
	}
}

func (p *Probe) unitH264(u []byte, at int64, keyframe bool) {
	kind := u[0] & h264TypeMask
	if keyframe && kind == h264SPS {
		p.parameters(u, at)
	} else if p.order.doubt {
		p.sliceH264(kind, u[1:])
	}
}

// sliceH264 finds out the kind of a slice, the second number of its header
// (H.264 section 7.3.3). Only the first slice of a picture, whose first number
// is 0, is looked at.
func (p *Probe) sliceH264(kind byte, header []byte) {
	if (kind != h264Slice && kind != h264SliceA && kind != h264IDR) || len(header) == 0 || header[0]&firstSlice == 0 {
		return
	}
	// 1 of the first number, then 010 for 1 or 00111 for 6: B slices.
	b := header[0]&0x70 == 0x20 || header[0]&0x7c == 0x1c
	p.confirm(b, true)
}

func (p *Probe) lookH265(payload []byte, at int64, keyframe bool) {
	if len(payload) <= h265HeaderSize {
		return
	}
	switch h265Type(payload[0]) {
	case h265AP:
		for u := range aggregated(payload[h265HeaderSize:]) {
			p.unitH265(u, at, keyframe)
		}
	case h265FU:
		if p.order.doubt && payload[2]&fuStart != 0 {
			p.sliceH265(payload[2] & h265FUTypeMask)
		}
	default:
		p.unitH265(payload, at, keyframe)
	}
}

func (p *Probe) unitH265(u []byte, at int64, keyframe bool) {
	kind := h265Type(u[0])
	if keyframe && kind == h265SPS {
		p.parameters(u, at)
	} else if p.order.doubt {
		p.sliceH265(kind)
	}
}

// sliceH265 takes any slice but one of a keyframe for a B slice: H265 encoders
// for cameras write B slices that refer to the past alone, so their kind says
// nothing.
func (p *Probe) sliceH265(kind byte) {
	if kind < h265FirstIRAP {
		p.confirm(true, false)
	}
}

func (p *Probe) confirm(b, certain bool) {
	p.order.slice(b, certain)
	p.order.tell(&p.traits)
}

// lookAV1 looks at the elements of the packet that begins a keyframe.
func (p *Probe) lookAV1(payload []byte, at int64) {
	count, rest := int(payload[0]&av1Count>>4), payload[1:]
	for i := 1; len(rest) > 0; i++ {
		obu := rest
		if i == count { // the last of a known count has no length in front
			rest = nil
		} else {
			obu, rest = av1Element(rest)
		}
		if len(obu) > 0 && obuType(obu) == obuSequence {
			p.parameters(obu, at)
			return
		}
	}
}

// aggregated goes through the units of an aggregation packet (RFC 6184 section
// 5.7.1, RFC 7798 section 4.4.2) up to one that does not fit.
func aggregated(p []byte) func(yield func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(p) > 2 {
			size := int(p[0])<<8 | int(p[1])
			p = p[2:]
			if size == 0 || size > len(p) || !yield(p[:size]) {
				return
			}
			p = p[size:]
		}
	}
}
