package media

// leastSplit is the smallest payload that Split makes.
const leastSplit = 64

// Bits of an FU header, of H264 and H265 alike.
const fuEnd = 0x40

// Split makes several payloads of at most max bytes of one that is larger, as
// some cameras and encoders send over TCP. It keeps no state. ok is false when
// it cannot: of other codecs than H264 and H265, or of what does not parse.
// marker is the packet's own; the last payload gets it.
func Split(codec string, payload []byte, marker bool, max int) (list []Payload, ok bool) {
	if (codec != H264 && codec != H265) || max < leastSplit {
		return nil, false
	}
	if len(payload) <= max {
		return []Payload{{Bytes: payload, Marker: marker}}, true
	}
	list, ok = splitter{codec, max}.payload(payload)
	if !ok {
		return nil, false
	}
	list[len(list)-1].Marker = marker
	return list, true
}

type splitter struct {
	codec string
	max   int
}

// payload splits any payload, which is larger than max.
func (s splitter) payload(p []byte) ([]Payload, bool) {
	if s.codec == H264 {
		switch kind := p[0] & h264TypeMask; {
		case kind == h264STAPA:
			return s.apart(p[1:])
		case kind == h264FUA:
			return s.fragments(p[:1], p[1], p[2:]), true
		case kind == 0 || kind > h264STAPA:
			return nil, false
		}
		return s.unit(p), true
	}
	switch kind := h265Type(p[0]); {
	case kind == h265AP:
		return s.apart(p[h265HeaderSize:])
	case kind == h265FU:
		return s.fragments(p[:2], p[2], p[3:]), true
	case kind > h265AP:
		return nil, false
	}
	return s.unit(p), true
}

// apart makes payloads of the units of an aggregation packet.
func (s splitter) apart(p []byte) (list []Payload, ok bool) {
	rest := len(p)
	for u := range aggregated(p) {
		rest -= 2 + len(u)
		switch {
		case len(u) <= s.max:
			list = append(list, Payload{Bytes: u})
		default:
			list = append(list, s.unit(u)...)
		}
	}
	return list, rest == 0 && len(list) > 0
}

// unit cuts a whole unit.
func (s splitter) unit(u []byte) []Payload {
	if s.codec == H264 {
		return s.fragments([]byte{u[0]&^h264TypeMask | h264FUA}, fuStart|fuEnd|u[0]&h264TypeMask, u[1:])
	}
	return s.fragments([]byte{u[0]&0x81 | h265FU<<1, u[1]}, fuStart|fuEnd|h265Type(u[0]), u[h265HeaderSize:])
}

// fragments cuts the body of a fragmentation unit further. The first keeps its
// start bit and the last its end bit.
func (s splitter) fragments(head []byte, header byte, body []byte) (list []Payload) {
	room := s.max - len(head) - 1
	for first := true; len(body) > 0; first = false {
		n := min(room, len(body))
		h := header
		if !first {
			h &^= fuStart
		}
		if n < len(body) {
			h &^= fuEnd
		}
		b := append(make([]byte, 0, len(head)+1+n), head...)
		b = append(append(b, h), body[:n]...)
		list = append(list, Payload{Bytes: b})
		body = body[n:]
	}
	return list
}
