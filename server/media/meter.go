package media

import "time"

// The rates are measured over so much of a track; the first time sooner, for
// somebody waits for it.
const (
	window      = 2 // seconds of timestamps
	firstWindow = 1
	longWindow  = int64(5 * time.Second) // of arrivals, when the timestamps do not go on
)

// meter counts what passes. Its time is the timestamps': what arrives in
// bursts is measured right.
type meter struct {
	begun  bool
	high   uint32 // greatest timestamp
	stamp  uint32 // where the window begins
	at     int64  // when it began
	frames int    // since
	bytes  int    // since
	key    uint32 // timestamp of the last keyframe
	keyed  bool   // there was one
}

// begin starts anew behind a jump of the timestamps.
func (m *meter) begin(ts uint32, at int64) {
	*m = meter{begun: true, high: ts, stamp: ts, at: at}
}

// next begins the next window.
func (m *meter) next(at int64) {
	m.stamp, m.at, m.frames, m.bytes = m.high, at, 0, 0
}

func (m *meter) full(at int64, clock int32, first bool) bool {
	need := int32(window)
	if first {
		need = firstWindow
	}
	return int32(m.high-m.stamp) >= need*clock || at-m.at >= longWindow
}

// seconds returns how long the window was.
func (m *meter) seconds(at int64, clock int32) float64 {
	if d := int32(m.high - m.stamp); d >= clock {
		return float64(d) / float64(clock)
	}
	return max(float64(at-m.at)/float64(time.Second), 1) // not yet a second of timestamps: they stand still
}

// sinceKey returns how long ago the last keyframe was, 0 when there was none.
func (m *meter) sinceKey(clock int32) time.Duration {
	d := int32(m.high - m.key)
	if !m.keyed || d < 0 {
		return 0
	}
	return time.Duration(d) * time.Second / time.Duration(clock)
}
