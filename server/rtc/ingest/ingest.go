package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/heliograph/heliograph/server/metric"
	"github.com/heliograph/heliograph/server/port"
	"github.com/heliograph/heliograph/server/rtc/lite"
	"github.com/heliograph/heliograph/server/rtc/offer"
)

// Why a publication ended, beside the hub's reasons.
var (
	ErrUnconnected = errors.New("the publisher never connected")
	ErrLost        = errors.New("nothing was heard from the publisher any more")
	ErrHungUp      = errors.New("the publisher closed the connection")
	ErrGarbage     = errors.New("the publisher sent what is no media, or too many streams")
	ErrFault       = errors.New("a fault of the server")
)

// Ingest answers publishers.
type Ingest struct {
	// set at construction
	port  *port.Port
	count *counters
	waits waits
}

// waits are how long a publisher may take.
type waits struct {
	arrival  time.Duration // to connect
	silence  time.Duration // without anything from it, until its viewers are told
	consent  time.Duration // the same, until nothing is sent to it any more
	patience time.Duration // the same, until it is lost
}

// New returns an Ingest on a port. It has nothing to run: every publication
// lives on its own.
func New(p *port.Port, m *metric.Registry) *Ingest {
	return &Ingest{port: p, count: newCounters(m), waits: waits{
		arrival: 20 * time.Second,
		silence: 5 * time.Second, // browsers check every 2.5 s even while they send nothing
		consent: lite.Consent, patience: lite.Patience,
	}}
}

// Answer makes a publication of an offer, and the whole SDP answer with all
// candidates. It returns an *offer.Error for an offer that cannot be answered.
// The publication waits: call Start once the hub has taken it, else Discard.
func (i *Ingest) Answer(ctx context.Context, o *offer.Offer, log *slog.Logger) (*Publisher, string, error) {
	mux, err := newICEMux(i.port, o, i.count)
	if err != nil {
		return nil, "", fmt.Errorf("opening the port for a publication: %w", err)
	}
	p := &Publisher{
		in: i, log: log, mux: mux,
		quit: make(chan struct{}), done: make(chan struct{}),
		keyframes: make(chan struct{}, 1), connected: make(chan struct{}), opened: make(chan struct{}),
	}
	for _, s := range o.Sections {
		p.tracks = append(p.tracks, newTrack(p, s))
	}
	p.pc, err = i.newConnection(o, mux, func() { p.Close(ErrGarbage) })
	if err != nil {
		_ = mux.Close()
		return nil, "", fmt.Errorf("making a connection: %w", err)
	}
	p.listen()
	answer, err := p.answer(ctx, o)
	if err != nil {
		p.Discard()
		return nil, "", err
	}
	return p, answer, nil
}

// counters are what the package counts.
type counters struct {
	received *metric.Counter
	garbage  *metric.Counter
	capped   *metric.Counter
	queue    *metric.Counter
	nacks    *metric.Counter
	panics   *metric.Counter

	badChecks *metric.Counter
}

func newCounters(m *metric.Registry) *counters {
	return &counters{
		received:  m.Counter("heliograph_ingest_packets_total", "RTP packets that WebRTC publishers sent."),
		garbage:   m.Counter("heliograph_ingest_malformed_total", "RTP packets of WebRTC publishers that could not be read."),
		capped:    m.Counter("heliograph_ingest_capped_total", "RTP packets of WebRTC publishers over a track's limit of bits or packets."),
		queue:     m.Counter("heliograph_ingest_dropped_total", "Datagrams of WebRTC publishers dropped because a queue was full."),
		nacks:     m.Counter("heliograph_ingest_nacks_total", "Packets that WebRTC publishers were asked to send again."),
		badChecks: m.Counter("heliograph_ingest_bad_checks_total", "ICE checks of WebRTC publishers that proved nothing."),
		panics:    m.Counter("heliograph_ingest_panics_total", "WebRTC publications closed because of a fault of the server."),
	}
}
