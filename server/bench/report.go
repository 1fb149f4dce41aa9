package bench

import (
	"encoding/json"
	"io"
	"math"
	"slices"
	"time"
)

// Report is the result of a run, and what --json prints.
type Report struct {
	Load     Load           `json:"load"`
	Source   SourceReport   `json:"source"`
	Join     JoinReport     `json:"join"`
	Latency  LatencyReport  `json:"latency"`
	Delivery DeliveryReport `json:"delivery"`
	Server   *ServerReport  `json:"server,omitempty"` // with --pid
	Go       *GoReport      `json:"go,omitempty"`     // with --metrics
	Client   ClientReport   `json:"client"`
	Viewers  []ViewerReport `json:"viewers"`
	Failures []Failure      `json:"failures,omitempty"`
	Warnings []string       `json:"warnings,omitempty"`
}

// Load says what was asked of the server.
type Load struct {
	WHIP     string  `json:"whip"` // URL without user and query
	WHEP     string  `json:"whep"`
	Viewers  int     `json:"viewers"`          // asked for
	Joined   int     `json:"joined"`           // got a decodable frame
	Failed   int     `json:"failed"`           // did not
	Lost     int     `json:"lost"`             // joined, then lost the connection
	Way      string  `json:"way"`              // of the viewers: direct, or relay and how TURN is spoken to
	Ramp     float64 `json:"ramp_per_second"`  // joins started per second
	Measured float64 `json:"measured_seconds"` // length of the measured window
	Early    bool    `json:"ended_early"`      // by Ctrl-C or a lost publisher
}

// SourceReport is what the publisher sent in the measured window.
type SourceReport struct {
	Frames           uint64  `json:"frames"`
	FramesPerSecond  float64 `json:"frames_per_second"`
	PacketsPerSecond float64 `json:"packets_per_second"` // video and audio
	Kbps             float64 `json:"kbit_per_second"`    // RTP with headers
	KeyframeRequests uint64  `json:"keyframe_requests"`  // since the start
	LateP99          float64 `json:"late_p99_ms"`        // how late frames were begun
}

// Summary is the spread of one value over all viewers.
type Summary struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
}

// JoinReport has the steps of a join in ms, each from the start of the POST.
type JoinReport struct {
	Answer        Summary `json:"answer_ms"`         // 201
	Connected     Summary `json:"connected_ms"`      // ICE and DTLS done
	FirstPacket   Summary `json:"first_packet_ms"`   // first packet of media
	FirstKeyframe Summary `json:"first_keyframe_ms"` // first frame that can be decoded
}

// LatencyReport is the time from the publisher's write of a frame's first
// packet to the arrival of its last packet at a viewer, in ms, over all
// frames and viewers of the measured window.
type LatencyReport struct {
	Frames uint64  `json:"frames"`
	P50    float64 `json:"p50_ms"`
	P95    float64 `json:"p95_ms"`
	P99    float64 `json:"p99_ms"`
	Max    float64 `json:"max_ms"`
}

// DeliveryReport is what the joined viewers received in the measured window.
type DeliveryReport struct {
	Video          counts  `json:"video"`
	Audio          counts  `json:"audio"`
	LossPercent    float64 `json:"loss_percent"` // of both
	FramesExpected uint64  `json:"frames_expected"`
	FramesWhole    uint64  `json:"frames_whole"`
	Stalls         uint64  `json:"stalls"`           // times without a whole frame for 200 ms
	StalledViewers int     `json:"stalled_viewers"`  // that had one
	LongestStall   float64 `json:"longest_stall_ms"` // 0 if there was none
	Kbps           Summary `json:"kbit_per_second"`  // of a viewer
	Mbps           float64 `json:"mbit_per_second"`  // of all
}

// ServerReport is what the server process took.
type ServerReport struct {
	PID          int     `json:"pid"`
	CPUSeconds   float64 `json:"cpu_seconds"`                    // user and system, in the measured window
	CPUPercent   float64 `json:"cpu_percent"`                    // of one core
	PerPacket    float64 `json:"cpu_us_per_packet"`              // per packet delivered to a viewer
	PerJoin      float64 `json:"cpu_ms_per_join"`                // in the ramp, without what it took to send
	RSSBefore    uint64  `json:"rss_before_bytes"`               // with the publisher, before the viewers
	RSSAfter     uint64  `json:"rss_after_bytes"`                // at the end of the window
	RSSPerViewer int64   `json:"rss_per_viewer_bytes,omitempty"` // 0 for unknown: it had more before, from earlier work
	Threads      int     `json:"threads"`
}

// GoReport is what the server's runtime said, the least value of each span,
// because that is nearest to what is in use after a garbage collection.
type GoReport struct {
	HeapBefore        uint64  `json:"heap_before_bytes"`
	HeapAfter         uint64  `json:"heap_after_bytes"`
	StackBefore       uint64  `json:"stack_before_bytes"`
	StackAfter        uint64  `json:"stack_after_bytes"`
	PerViewer         int64   `json:"heap_and_stack_per_viewer_bytes,omitempty"` // 0 for unknown, as above
	Goroutines        uint64  `json:"goroutines"`
	GoroutinesPerView float64 `json:"goroutines_per_viewer"`
}

// ClientReport tells what the load client took and sent back, and whether it
// kept up.
type ClientReport struct {
	CPUPercent  float64 `json:"cpu_percent"` // of one core, publisher included
	Cores       int     `json:"cores"`
	PerPacket   float64 `json:"cpu_us_per_packet"`
	LagP99      float64 `json:"lag_p99_ms"`   // from a packet's arrival to its reading here, up to 20 ms on purpose
	SocketDrops uint64  `json:"socket_drops"` // packets lost in the client's own sockets
	Saturated   bool    `json:"saturated"`

	ReceiverReports   uint64 `json:"receiver_reports"`   // sent in the measured window
	TransportFeedback uint64 `json:"transport_feedback"` // the same; 0 if the server does not want it
}

// ViewerReport is one viewer's share.
type ViewerReport struct {
	ID           int     `json:"id"`
	Video        counts  `json:"video"`
	Audio        counts  `json:"audio"`
	FramesWhole  uint64  `json:"frames_whole"`
	Stalls       uint64  `json:"stalls"`
	LongestGap   float64 `json:"longest_gap_ms"` // between two whole frames
	Kbps         float64 `json:"kbit_per_second"`
	FirstFrameMs float64 `json:"first_keyframe_ms"`
	Lost         bool    `json:"lost"` // the connection broke off
}

// Failure is a reason for which viewers did not join.
type Failure struct {
	Reason  string `json:"reason"`
	Viewers int    `json:"viewers"`
}

// WriteJSON prints the report as indented JSON.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// summarize returns the spread of values; zero if there are none.
func summarize(values []float64) Summary {
	if len(values) == 0 {
		return Summary{}
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := func(q float64) float64 {
		return round3(sorted[max(0, int(math.Ceil(q*float64(len(sorted))))-1)])
	}
	return Summary{Min: rank(0), Median: rank(0.5), P95: rank(0.95), Max: rank(1)}
}

func milliseconds(d time.Duration) float64 {
	return round3(float64(d) / float64(time.Millisecond))
}

// round3 keeps three decimals: more would only look precise.
func round3(v float64) float64 {
	return math.Round(v*1000) / 1000
}

// per divides, and is 0 where there is nothing to divide by.
func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return round3(a / b)
}
