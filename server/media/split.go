package media

// leastSplit is the smallest payload that Split makes.
const leastSplit = 64

// fuHead is the most that stands before a fragment.
const fuHead = h265HeaderSize + 1

// Bits of an FU header, of H264 and H265 alike.
const fuEnd = 0x40

// Splitter makes several payloads of one that is too large, as cameras and
// encoders send over TCP. It keeps nothing of what it has split but the memory.
type Splitter struct {
	codec string
	max   int
	list  []Payload
	bytes []byte
}

// NewSplitter returns a splitter for payloads of at most max bytes.
func NewSplitter(codec string, max int) *Splitter { return &Splitter{codec: codec, max: max} }

// Split returns a payload in parts, which are good until it is called again. ok
// is false when it cannot: of other codecs than H264 and H265, or of what does
// not parse. marker is the packet's own; the last part gets it.
func (s *Splitter) Split(payload []byte, marker bool) (parts []Payload, ok bool) {
	if (s.codec != H264 && s.codec != H265) || s.max < leastSplit {
		return nil, false
	}
	s.list, s.bytes = s.list[:0], s.bytes[:0]
	if len(payload) <= s.max {
		s.list = append(s.list, Payload{Bytes: payload, Marker: marker})
		return s.list, true
	}
	if most := len(payload) + (2*len(payload)/(s.max-fuHead)+2)*fuHead; cap(s.bytes) < most {
		s.bytes = make([]byte, 0, most)
	}
	if !s.payload(payload) {
		return nil, false
	}
	s.list[len(s.list)-1].Marker = marker
	return s.list, true
}

// payload splits any payload, which is larger than max.
func (s *Splitter) payload(p []byte) bool {
	if s.codec == H264 {
		switch kind := p[0] & h264TypeMask; {
		case kind == h264STAPA:
			return s.apart(p[1:])
		case kind == h264FUA:
			s.fragments([2]byte{p[0]}, p[1], p[2:])
			return true
		case kind == 0 || kind > h264STAPA:
			return false
		}
		s.unit(p)
		return true
	}
	switch kind := h265Type(p[0]); {
	case kind == h265AP:
		return s.apart(p[h265HeaderSize:])
	case kind == h265FU:
		s.fragments([2]byte{p[0], p[1]}, p[2], p[3:])
		return true
	case kind > h265AP:
		return false
	}
	s.unit(p)
	return true
}

// apart makes payloads of the units of an aggregation packet.
func (s *Splitter) apart(p []byte) bool {
	rest := len(p)
	for u := range aggregated(p) {
		rest -= 2 + len(u)
		if len(u) <= s.max {
			s.list = append(s.list, Payload{Bytes: u})
		} else {
			s.unit(u)
		}
	}
	return rest == 0 && len(s.list) > 0
}

// unit cuts a whole unit.
func (s *Splitter) unit(u []byte) {
	if s.codec == H264 {
		s.fragments([2]byte{u[0]&^h264TypeMask | h264FUA}, fuStart|fuEnd|u[0]&h264TypeMask, u[1:])
		return
	}
	s.fragments([2]byte{u[0]&0x81 | h265FU<<1, u[1]}, fuStart|fuEnd|h265Type(u[0]), u[h265HeaderSize:])
}

// fragments cuts the body of a fragmentation unit further. The first keeps its
// start bit and the last its end bit. head is one byte of H264 and two of H265.
func (s *Splitter) fragments(head [2]byte, header byte, body []byte) {
	width := 1
	if s.codec == H265 {
		width = h265HeaderSize
	}
	for first := true; len(body) > 0; first = false {
		n := min(s.max-width-1, len(body))
		h := header
		if !first {
			h &^= fuStart
		}
		if n < len(body) {
			h &^= fuEnd
		}
		begin := len(s.bytes)
		s.bytes = append(append(append(s.bytes, head[:width]...), h), body[:n]...)
		s.list = append(s.list, Payload{Bytes: s.bytes[begin:len(s.bytes):len(s.bytes)]})
		body = body[n:]
	}
}
