package ts

// The layout of what a Muxer writes.
const (
	pmtPID     = 0x1000
	firstPID   = 0x100
	tableEvery = 45_000 // ticks of 90 kHz between two tables without a keyframe
	clockEvery = 3_600  // ticks between two clock references: 40 ms, at most 100 by section 2.7.2
	clockAhead = 9_000  // ticks by which data comes before it is due
	stampMask  = 1<<33 - 1
)

// Muxer writes a transport stream of one program. The zero value is not usable.
type Muxer struct {
	// set at construction
	pat, pmt []byte // sections
	clockOf  int    // the track that carries the clock

	// owned by the caller of Append
	kinds    []Kind
	counters map[uint16]byte
	tables   int64 // DTS of the last tables
	clock    int64 // DTS of the last clock reference
}

// never is long before any time stamp.
const never = -1 << 62

// NewMuxer returns a Muxer of tracks of these kinds; channels is what the
// Opus track of them has.
func NewMuxer(kinds []Kind, channels int) *Muxer {
	m := &Muxer{kinds: kinds, counters: map[uint16]byte{}, tables: never, clock: never}
	for i, k := range kinds {
		if k.video() {
			m.clockOf = i
		}
	}
	m.pat = section(tablePAT, []byte{0, 1, 0xe0 | pmtPID>>8, pmtPID & 0xff})
	clock := firstPID + m.clockOf
	body := []byte{0xe0 | byte(clock>>8), byte(clock), 0xf0, 0}
	for i, k := range kinds {
		kind, descriptors := listed(k, channels)
		pid := firstPID + i
		body = append(body, kind, 0xe0|byte(pid>>8), byte(pid), 0xf0, byte(len(descriptors)))
		body = append(body, descriptors...)
	}
	m.pmt = section(tablePMT, body)
	return m
}

// listed is how a PMT names a kind.
func listed(k Kind, channels int) (kind byte, descriptors []byte) {
	switch k {
	case H264:
		return typeH264, nil
	case H265:
		return typeH265, []byte{tagRegistered, 4, 'H', 'E', 'V', 'C'}
	case AAC:
		return typeAAC, nil
	}
	return typePrivate, []byte{tagRegistered, 4, 'O', 'p', 'u', 's', tagExtension, 2, extensionOpus, byte(channels)}
}

// section completes a PAT or PMT of program or transport stream 1.
func section(table byte, body []byte) []byte {
	n := 5 + len(body) + 4
	s := append([]byte{table, 0xb0 | byte(n>>8), byte(n), 0, 1, 0xc1, 0, 0}, body...)
	crc := checksum(s)
	return append(s, byte(crc>>24), byte(crc>>16), byte(crc>>8), byte(crc))
}

// Append adds the packets of one unit of a track, by its index, to b. The time
// stamps are ticks of 90 kHz, of which 33 bits are written; random says that a
// decoder can begin here.
func (m *Muxer) Append(b []byte, track int, u Unit, random bool) []byte {
	if random && track == m.clockOf && m.kinds[track].video() || u.DTS-m.tables >= tableEvery {
		b = m.table(b, 0, m.pat)
		b = m.table(b, pmtPID, m.pmt)
		m.tables = u.DTS
	}
	var field []byte
	if random {
		field = []byte{0x40}
	}
	if track == m.clockOf && (random || u.DTS-m.clock >= clockEvery) {
		field = append([]byte{0x10}, clockReference(u.DTS-clockAhead)...)
		if random {
			field[0] |= 0x40
		}
		m.clock = u.DTS
	}
	pid := uint16(firstPID + track)
	head := m.pes(track, u)
	b = m.first(b, pid, field, &head, &u.Data)
	for len(u.Data) > 0 {
		b = m.more(b, pid, &u.Data)
	}
	return b
}

// clockReference writes a PCR, section 2.4.3.5.
func clockReference(at int64) []byte {
	at &= stampMask
	return []byte{byte(at >> 25), byte(at >> 17), byte(at >> 9), byte(at >> 1), byte(at<<7) | 0x7e, 0}
}

// pes returns the header of a PES packet.
func (m *Muxer) pes(track int, u Unit) []byte {
	id := byte(0xc0)
	switch k := m.kinds[track]; {
	case k.video():
		id = 0xe0
	case k == Opus:
		id = 0xbd
	}
	stamps := appendStamp(nil, 2, u.PTS)
	flags := byte(0x80)
	if u.DTS != u.PTS {
		flags, stamps = 0xc0, appendStamp(appendStamp(nil, 3, u.PTS), 1, u.DTS)
	}
	n := 3 + len(stamps) + len(u.Data)
	if n > 0xffff { // only video may leave it out; audio is never so long
		n = 0
	}
	return append([]byte{0, 0, 1, id, byte(n >> 8), byte(n), 0x84, flags, byte(len(stamps))}, stamps...)
}

func appendStamp(b []byte, mark byte, at int64) []byte {
	at &= stampMask
	return append(b, mark<<4|byte(at>>29)&0x0e|1, byte(at>>22), byte(at>>14)|1, byte(at>>7), byte(at<<1)|1)
}

// header begins a packet; the payload that follows fills it up.
func (m *Muxer) header(b []byte, pid uint16, start, field bool) []byte {
	first, control := byte(pid>>8), byte(0x10)
	if start {
		first |= 0x40
	}
	if field {
		control |= 0x20
	}
	n := m.counters[pid]
	m.counters[pid] = (n + 1) & 0x0f
	return append(b, syncByte, first, byte(pid), control|n)
}

// table writes a section, which fits into one packet.
func (m *Muxer) table(b []byte, pid uint16, section []byte) []byte {
	end := len(b) + PacketSize
	b = append(m.header(b, pid, true, false), 0)
	b = append(b, section...)
	for len(b) < end {
		b = append(b, 0xff)
	}
	return b
}

// first writes the packet that begins a PES packet.
func (m *Muxer) first(b []byte, pid uint16, field []byte, head, data *[]byte) []byte {
	room := PacketSize - 4
	if len(field) > 0 {
		room -= 1 + len(field)
	}
	stuffing := max(0, room-len(*head)-len(*data))
	b = m.header(b, pid, true, len(field) > 0 || stuffing > 0)
	b = adapt(b, field, stuffing)
	b = append(b, *head...)
	n := room - stuffing - len(*head)
	b, *data = append(b, (*data)[:n]...), (*data)[n:]
	return b
}

// more writes a packet that goes on with a PES packet.
func (m *Muxer) more(b []byte, pid uint16, data *[]byte) []byte {
	n := min(PacketSize-4, len(*data))
	stuffing := PacketSize - 4 - n
	b = m.header(b, pid, false, stuffing > 0)
	b = adapt(b, nil, stuffing)
	b, *data = append(b, (*data)[:n]...), (*data)[n:]
	return b
}

// adapt writes an adaptation field of what is given and so many bytes more.
func adapt(b, field []byte, stuffing int) []byte {
	if len(field) == 0 {
		if stuffing == 0 {
			return b
		}
		b = append(b, byte(stuffing-1))
		if stuffing--; stuffing == 0 {
			return b
		}
		b, stuffing = append(b, 0), stuffing-1
	} else {
		b = append(b, byte(len(field)+stuffing))
		b = append(b, field...)
	}
	for range stuffing {
		b = append(b, 0xff)
	}
	return b
}
