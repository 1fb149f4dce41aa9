package ts

import "bytes"

// Bounds of one PES packet.
const (
	maxVideo = 8 << 20   // bytes; an intra picture of 8K at the best quality has some
	maxAudio = 256 << 10 // bytes; some seconds of it
)

// maxStreams is how many streams of a program are named.
const maxStreams = 32

// Unit is the payload of one PES packet: a picture, or some frames of audio.
type Unit struct {
	Stream   Stream
	PTS, DTS int64  // ticks of 90 kHz, 33 bits; alike where the stream gives one
	Data     []byte // the receiver's own
}

// Handler takes what a Demuxer finds.
type Handler interface {
	// Program is called when the program's table has come or has changed.
	Program(streams []Stream) error
	// Unit is called for each unit of the streams that are taken.
	Unit(u Unit) error
}

// Demuxer takes a transport stream apart. The zero value is not usable.
type Demuxer struct {
	// set at construction
	to Handler

	// owned by the caller of Write
	rest    []byte // less than a packet
	pat     sections
	pmt     sections
	pmtPID  uint16
	table   []byte // the table in force
	streams []*stream
	failed  error // of the handler, inside a section
	garbage int   // bytes since the last good unit
}

// stream is an elementary stream that is taken.
type stream struct {
	Stream
	order  continuity
	data   []byte // of the PES packet that is coming in
	open   bool   // one is
	length int    // of the whole PES packet, 0 where it does not say
	habit  habit
}

// habit learns whether a muxer fills up only the last packet of a picture. If
// so, a picture is complete when that packet comes, and need not wait for the
// next one to begin.
type habit struct {
	seen  int  // pictures that kept to it
	last  bool // the packet before was filled up
	never bool
}

// enough pictures have to keep to a habit until it is relied on.
const enough = 30

// over notes the next packet of a picture and tells whether it is the last.
func (h *habit) over(p packet) bool {
	switch {
	case p.start && h.last:
		h.seen++
	case !p.start && h.last:
		h.never = true
	}
	h.last = p.stuffed
	return p.stuffed && !h.never && h.seen >= enough
}

// New returns a Demuxer that hands on to h.
func New(h Handler) *Demuxer { return &Demuxer{to: h} }

// Write takes the next bytes, cut anywhere. It returns what the handler
// returned, or ErrGarbage when nothing in the bytes makes sense for long.
func (d *Demuxer) Write(p []byte) (int, error) {
	n := len(p)
	d.garbage += n
	if len(d.rest) > 0 {
		take := min(PacketSize-len(d.rest), len(p))
		d.rest, p = append(d.rest, p[:take]...), p[take:]
		if len(d.rest) < PacketSize {
			return n, nil
		}
		p = append(d.rest, p...)
		d.rest = nil
	}
	for {
		i := bytes.IndexByte(p, syncByte)
		if i < 0 {
			break
		}
		p = p[i:]
		if len(p) < PacketSize {
			d.rest = append(make([]byte, 0, PacketSize), p...)
			break
		}
		if len(p) > PacketSize && p[PacketSize] != syncByte { // not the beginning of a packet
			p = p[1:]
			continue
		}
		if err := d.packet(p[:PacketSize]); err != nil {
			return n, err
		}
		p = p[PacketSize:]
	}
	if d.garbage > maxGarbage+maxVideo {
		return n, ErrGarbage
	}
	return n, nil
}

func (d *Demuxer) packet(b []byte) error {
	p, ok := parsePacket(b)
	if !ok {
		return nil
	}
	switch {
	case p.pid == 0:
		d.pat.push(p, d.programs)
	case p.pid == d.pmtPID && d.pmtPID != 0:
		d.failed = nil
		d.pmt.push(p, d.program)
		return d.failed
	}
	for _, s := range d.streams {
		if s.PID == p.pid {
			return d.elementary(s, p)
		}
	}
	return nil
}

// programs takes a PAT.
func (d *Demuxer) programs(pat []byte) {
	if pid, ok := programTable(pat); ok && pid != d.pmtPID {
		d.pmtPID, d.pmt, d.table = pid, sections{}, nil
	}
}

// program takes a PMT: of each kind the first stream that can be taken is.
func (d *Demuxer) program(pmt []byte) {
	if bytes.Equal(pmt, d.table) {
		return
	}
	list, ok := program(pmt)
	if !ok || len(list) == 0 {
		return
	}
	d.table = bytes.Clone(pmt)
	d.streams = nil
	var named []Stream
	video, audio := false, false
	for _, e := range list[:min(len(list), maxStreams)] {
		s := describe(e)
		kind := &audio
		if s.Kind.video() {
			kind = &video
		}
		if s.Kind != Other && !*kind {
			*kind, s.Taken = true, true
			d.streams = append(d.streams, &stream{Stream: s})
		}
		named = append(named, s)
	}
	d.failed = d.to.Program(named)
}

// elementary takes a packet of a stream.
func (d *Demuxer) elementary(s *stream, p packet) error {
	fresh, gap := s.order.next(p)
	if !fresh {
		return nil
	}
	if gap { // what is missing cannot be told from what is there
		s.drop()
		s.habit.last = false
	}
	over := s.habit.over(p)
	if p.start {
		if err := d.finish(s); err != nil {
			return err
		}
		s.open, s.data, s.length = true, make([]byte, 0, s.guess()), 0
	}
	if !s.open {
		return nil
	}
	if len(s.data)+len(p.payload) > s.limit() {
		s.drop()
		return nil
	}
	s.data = append(s.data, p.payload...)
	if s.length == 0 && len(s.data) >= 6 && s.data[4]|s.data[5] != 0 {
		s.length = 6 + int(s.data[4])<<8 + int(s.data[5])
	}
	if s.length > 0 && len(s.data) >= s.length {
		s.data, over = s.data[:s.length], true
	}
	if over {
		return d.finish(s)
	}
	return nil
}

func (s *stream) drop() { s.open, s.data = false, nil }

func (s *stream) limit() int {
	if s.Kind.video() {
		return maxVideo
	}
	return maxAudio
}

// guess is how much room a unit is given at first.
func (s *stream) guess() int {
	if s.Kind.video() {
		return 16 << 10
	}
	return 1 << 10
}

// finish hands on the PES packet that came in.
func (d *Demuxer) finish(s *stream) error {
	if !s.open {
		return nil
	}
	data := s.data
	s.drop()
	u, ok := parsePES(data)
	if !ok || len(data) < s.length {
		return nil
	}
	d.garbage = 0
	u.Stream = s.Stream
	return d.to.Unit(u)
}

// parsePES reads a PES packet with a time stamp, section 2.4.3.6.
func parsePES(b []byte) (u Unit, ok bool) {
	if len(b) < 9 || b[0] != 0 || b[1] != 0 || b[2] != 1 || b[6]&0xc0 != 0x80 {
		return Unit{}, false
	}
	header := 9 + int(b[8])
	stamps := b[7] >> 6
	if len(b) <= header || stamps < 2 || header < 14 || stamps == 3 && header < 19 {
		return Unit{}, false
	}
	u.PTS = stamp(b[9:14])
	u.DTS = u.PTS
	if stamps == 3 {
		u.DTS = stamp(b[14:19])
	}
	u.Data = b[header:]
	return u, true
}

// stamp reads a time stamp of 33 bits.
func stamp(b []byte) int64 {
	return int64(b[0]>>1&7)<<30 | int64(b[1])<<22 | int64(b[2]>>1)<<15 | int64(b[3])<<7 | int64(b[4]>>1)
}
