package feedback

import (
	"encoding/binary"
	"testing"

	"github.com/pion/rtcp"
	"github.com/stretchr/testify/require"
)

// feedbackBody builds transport-wide feedback of chunks and bytes of times.
func feedbackBody(base, count uint16, chunks []uint16, deltas int) []byte {
	b := make([]byte, 16, 16+2*len(chunks)+deltas)
	binary.BigEndian.PutUint16(b[8:], base)
	binary.BigEndian.PutUint16(b[10:], count)
	for _, c := range chunks {
		b = binary.BigEndian.AppendUint16(b, c)
	}
	return append(b, make([]byte, deltas)...)
}

func TestArrivals(t *testing.T) {
	t.Parallel()
	const run, bits, pairs = 0x0000, 0x8000, 0xc000
	for name, c := range map[string]struct {
		body []byte
		got  []uint16
		bad  bool
	}{
		"nothing":                     {body: feedbackBody(7, 0, nil, 0)},
		"a run":                       {body: feedbackBody(7, 3, []uint16{run | 1<<13 | 3}, 3), got: []uint16{7, 8, 9}},
		"a run with long times":       {body: feedbackBody(7, 2, []uint16{run | 2<<13 | 2}, 4), got: []uint16{7, 8}},
		"a run over the wrap":         {body: feedbackBody(65_535, 3, []uint16{run | 1<<13 | 3}, 3), got: []uint16{65_535, 0, 1}},
		"a run longer than all":       {body: feedbackBody(7, 2, []uint16{run | 1<<13 | 5000}, 2), got: []uint16{7, 8}},
		"lost and found":              {body: feedbackBody(0, 8193, []uint16{run | 8191, run | 1<<13 | 2}, 2), got: []uint16{8191, 8192}},
		"bits":                        {body: feedbackBody(0, 14, []uint16{bits | 1<<13 | 1}, 2), got: []uint16{0, 13}},
		"bits beyond the last":        {body: feedbackBody(0, 3, []uint16{bits | 0x3fff}, 3), got: []uint16{0, 1, 2}},
		"pairs":                       {body: feedbackBody(0, 7, []uint16{pairs | 1<<12 | 2}, 3), got: []uint16{0, 6}},
		"too short":                   {body: make([]byte, 15), bad: true},
		"no chunk":                    {body: feedbackBody(0, 1, nil, 0), bad: true},
		"times are missing":           {body: feedbackBody(7, 3, []uint16{run | 1<<13 | 3}, 2), bad: true},
		"65,535 packets, no times":    {body: feedbackBody(0, 65_535, []uint16{run | 1<<13 | 8191, run | 1<<13 | 8191}, 0), bad: true},
		"65,535 packets, all lost":    {body: feedbackBody(0, 65_535, []uint16{8191, 8191, 8191, 8191, 8191, 8191, 8191, 8191, 7}, 0)},
		"a run of none, for ever":     {body: feedbackBody(0, 65_535, make([]uint16, 600), 0), bad: true},
		"a run of a reserved symbol":  {body: feedbackBody(0, 9, []uint16{run | 3<<13 | 9}, 90), bad: true},
		"a pair of a reserved symbol": {body: feedbackBody(0, 7, []uint16{pairs | 3}, 90), bad: true},
	} {
		a, err := parseArrivals(c.body)
		require.Equal(t, c.bad, err != nil, name)
		if err == nil {
			require.Equal(t, c.got, numbersOf(a), name)
		}
	}
}

func numbersOf(a arrivals) (list []uint16) {
	a.each(func(number uint16, _ uint32) { list = append(list, number) })
	return list
}

// byLibrary returns what pion reads in feedback that we take as well.
func byLibrary(p *rtcp.TransportLayerCC) (numbers []uint16, times []uint32) {
	number, left, at, deltas := p.BaseSequenceNumber, int(p.PacketStatusCount), p.ReferenceTime<<8, p.RecvDeltas
	take := func(symbol uint16) {
		if left--; left < 0 {
			return
		}
		if symbol == rtcp.TypeTCCPacketReceivedSmallDelta || symbol == rtcp.TypeTCCPacketReceivedLargeDelta {
			at += uint32(int32(deltas[0].Delta / 250))
			numbers, times = append(numbers, number), append(times, at)
			deltas = deltas[1:]
		}
		number++
	}
	for _, c := range p.PacketChunks {
		switch c := c.(type) {
		case *rtcp.RunLengthChunk:
			for range c.RunLength {
				take(c.PacketStatusSymbol)
			}
		case *rtcp.StatusVectorChunk:
			for _, symbol := range c.SymbolList {
				take(symbol)
			}
		}
	}
	return numbers, times
}
