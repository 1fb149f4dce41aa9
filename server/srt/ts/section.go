package ts

// maxSection is the largest PAT or PMT, sections 2.4.4.4 and 2.4.4.9.
const maxSection = 1024

// Table ids, section 2.4.4.4.
const (
	tablePAT = 0
	tablePMT = 2
)

// sections gathers the sections of one PID.
type sections struct {
	order continuity
	data  []byte // of the section that is coming in
}

// push takes a packet and hands on every section that it completes.
func (s *sections) push(p packet, take func(section []byte)) {
	fresh, gap := s.order.next(p)
	if !fresh {
		return
	}
	if gap {
		s.data = s.data[:0]
	}
	payload := p.payload
	if p.start {
		pointer := int(payload[0])
		if pointer >= len(payload) {
			s.data = s.data[:0]
			return
		}
		if len(s.data) > 0 { // the end of the one before
			s.data = append(s.data, payload[1:1+pointer]...)
			s.complete(take)
		}
		s.data, payload = s.data[:0], payload[1+pointer:]
	} else if len(s.data) == 0 {
		return
	}
	s.data = append(s.data, payload...)
	s.complete(take)
}

// complete hands on what is whole and keeps the rest.
func (s *sections) complete(take func([]byte)) {
	for len(s.data) >= 3 && s.data[0] != 0xff { // 0xff: stuffing up to the packet's end
		n := 3 + int(s.data[1]&0x0f)<<8 + int(s.data[2])
		if n > maxSection {
			break
		}
		if len(s.data) < n {
			return
		}
		if checksum(s.data[:n]) == 0 {
			take(s.data[:n])
		}
		s.data = append(s.data[:0], s.data[n:]...)
	}
	s.data = s.data[:0]
}

// checksum is the CRC of annex A: 0 over a section with its own at the end.
func checksum(b []byte) uint32 {
	crc := ^uint32(0)
	for _, c := range b {
		crc ^= uint32(c) << 24
		for range 8 {
			if crc&(1<<31) != 0 {
				crc = crc<<1 ^ 0x04c11db7
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// programTable returns the PID of the first program's table.
func programTable(pat []byte) (pid uint16, ok bool) {
	if len(pat) < 12 || pat[0] != tablePAT {
		return 0, false
	}
	for list := pat[8 : len(pat)-4]; len(list) >= 4; list = list[4:] {
		if list[0]|list[1] != 0 { // 0 is the network's table
			return uint16(list[2]&0x1f)<<8 | uint16(list[3]), true
		}
	}
	return 0, false
}

// elementary is an elementary stream as a PMT lists it.
type elementary struct {
	pid         uint16
	kind        byte
	descriptors []byte
}

// program returns the streams of a PMT, section 2.4.4.8.
func program(pmt []byte) (list []elementary, ok bool) {
	if len(pmt) < 16 || pmt[0] != tablePMT {
		return nil, false
	}
	body := pmt[10 : len(pmt)-4]
	info := int(body[0]&0x0f)<<8 | int(body[1])
	if len(body) < 2+info {
		return nil, false
	}
	for body = body[2+info:]; len(body) >= 5; {
		e := elementary{kind: body[0], pid: uint16(body[1]&0x1f)<<8 | uint16(body[2])}
		n := int(body[3]&0x0f)<<8 | int(body[4])
		if len(body) < 5+n {
			return nil, false
		}
		e.descriptors, body = body[5:5+n], body[5+n:]
		list = append(list, e)
	}
	return list, true
}
