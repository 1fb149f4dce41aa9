package transcode

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
)

// maxAudio bounds the audio conversions at once: a child costs 2 % of a core to
// make Opus, 6 % to make AAC, and 57 MB, most of it libraries that all share.
const maxAudio = 64

// Errors of Convert.
var (
	// ErrTarget says that nothing here makes the wanted codec of the source's.
	ErrTarget = errors.New("this conversion is not offered")
	// ErrFull says that as many conversions run as the machine can carry.
	ErrFull = errors.New("as many streams are converted already as this machine can; end one, or run the server on a larger machine")
)

// Config sets up a Transcoder. The zero Config converts audio with the ffmpeg
// found in PATH.
type Config struct {
	Path     string           // of the ffmpeg program; "" looks in PATH
	Video    bool             // also re-encode video that a player or a service does not take
	MaxVideo int              // videos at once; 0: as many as there are cores
	Log      *slog.Logger     // nil discards
	Metrics  *metric.Registry // nil counts unseen
}

// Transcoder makes tracks out of tracks. All methods may be called from
// anywhere.
type Transcoder struct {
	// set at construction
	cfg     Config
	program func() program // waits until ffmpeg has said what it can do
	hurry   func()         // ends that wait
	maxWait time.Duration  // of a frame for its child
	counts  counts

	// guarded by mu
	mu      sync.Mutex
	running map[*job]struct{}

	// atomic
	audio, video atomic.Int32 // conversions that run
}

// counts are the package's metrics.
type counts struct {
	started, failed, dropped *metric.Counter
}

var _ hub.Converter = (*Transcoder)(nil)

// New returns a transcoder that has not looked for ffmpeg yet: Run does, or
// whoever first needs to know, and waits for what it says, up to 5 s for each answer. A machine
// without ffmpeg is no error: then nothing is Available, and Why says so.
func New(cfg Config) (*Transcoder, error) {
	if cfg.MaxVideo < 0 {
		return nil, errors.New("the number of videos that are converted at once cannot be negative")
	}
	return newTranscoder(cfg, func(ctx context.Context) program { return probe(ctx, cfg.Path) }), nil
}

func newTranscoder(cfg Config, find func(context.Context) program) *Transcoder {
	looking, hurry := context.WithCancel(context.Background())
	if cfg.MaxVideo == 0 {
		cfg.MaxVideo = runtime.NumCPU()
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	t := &Transcoder{
		cfg: cfg, program: sync.OnceValue(func() program { return find(looking) }), hurry: hurry,
		maxWait: maxWait, running: map[*job]struct{}{},
	}
	t.counts = counts{
		started: cfg.Metrics.Counter("heliograph_transcode_started_total", "Children started to convert a track."),
		failed:  cfg.Metrics.Counter("heliograph_transcode_failed_total", "Children that ended by themselves."),
		dropped: cfg.Metrics.Counter("heliograph_transcode_dropped_total", "Frames that a child was too slow to take."),
	}
	cfg.Metrics.GaugeVecFunc("heliograph_transcode_running", "Tracks that are converted now.", "kind", func(emit func(string, float64)) {
		emit(media.Audio.String(), float64(t.audio.Load()))
		emit(media.Video.String(), float64(t.video.Load()))
	})
	cfg.Metrics.GaugeVecFunc("heliograph_transcode_lag_seconds", "How long the slowest conversion holds its sound or pictures.", "kind", t.emitLag)
	return t
}

// Run looks for ffmpeg, so that nobody waits for it later, and returns when ctx
// ends. The hub ends the conversions.
func (t *Transcoder) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, t.hurry)()
	if why := t.Why(); why != "" && ctx.Err() == nil {
		t.cfg.Log.Warn("conversion is limited", "reason", why)
	}
	<-ctx.Done()
	return nil
}

// Available tells whether anything can be converted.
func (t *Transcoder) Available() bool {
	p := t.program()
	return p.opus || p.aac || t.cfg.Video && p.h264
}

// Why returns, for a person, what cannot be converted and what would help; ""
// when nothing is missing.
func (t *Transcoder) Why() string { return t.program().why }

// Targets returns the codecs that a track of codec c can be made into now, the
// best first: no video while as much of it is converted as the machine can.
func (t *Transcoder) Targets(c media.Codec, traits media.Traits) []media.Codec {
	list := t.makes(c, traits)
	if int(t.video.Load()) < t.cfg.MaxVideo {
		return list
	}
	return slices.DeleteFunc(list, func(c media.Codec) bool { return c.Name == media.H264 })
}

// makes returns the codecs that a track of codec c can be made into.
func (t *Transcoder) makes(c media.Codec, traits media.Traits) []media.Codec {
	switch c.Name {
	case media.AAC:
		if _, err := c.AACConfig(); err != nil {
			return nil
		}
		return t.offered(opusTarget())
	case media.Opus:
		return t.offered(aacTarget())
	case media.PCMU, media.PCMA, media.G722:
		return t.offered(opusTarget(), aacTarget())
	case media.H265, media.VP8, media.VP9:
		return t.offered(h264Target())
	case media.AV1:
		if t.program().av1 {
			return t.offered(h264Target())
		}
	case media.H264:
		if !traits.Plays(c) {
			return t.offered(h264Target())
		}
	}
	return nil
}

// offered leaves out what ffmpeg on this machine cannot make.
func (t *Transcoder) offered(all ...media.Codec) []media.Codec {
	var list []media.Codec
	p := t.program()
	for _, c := range all {
		if c.Name == media.Opus && p.opus || c.Name == media.AAC && p.aac || c.Name == media.H264 && p.h264 && t.cfg.Video {
			list = append(list, c)
		}
	}
	return list
}

// Convert writes to what a child makes of from until ctx ends, and starts
// another child when one dies. It returns early with ErrTarget, ErrFull or
// media.ErrCodec.
func (t *Transcoder) Convert(ctx context.Context, from *hub.Track, to *hub.Input) error {
	return t.convert(ctx, from, to, from.Traits)
}

func (t *Transcoder) convert(ctx context.Context, from *hub.Track, to *hub.Input, traits func() media.Traits) error {
	j, err := t.newJob(from, to, traits)
	if err != nil {
		return err
	}
	running, limit := &t.audio, maxAudio
	if from.Kind() == media.Video {
		running, limit = &t.video, t.cfg.MaxVideo
	}
	defer running.Add(-1)
	if int(running.Add(1)) > limit {
		return ErrFull
	}
	detach, err := from.AttachFrames(j.intake)
	if err != nil {
		return err
	}
	defer detach()
	t.enter(j)
	defer t.leave(j)
	return j.run(ctx)
}

func (t *Transcoder) enter(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.running[j] = struct{}{}
}

func (t *Transcoder) leave(j *job) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.running, j)
}

// emitLag gives the metric its values.
func (t *Transcoder) emitLag(emit func(string, float64)) {
	worst := map[media.Kind]time.Duration{}
	t.mu.Lock()
	for j := range t.running {
		worst[j.from.Kind()] = max(worst[j.from.Kind()], time.Duration(j.lag.Load()))
	}
	t.mu.Unlock()
	emit(media.Audio.String(), worst[media.Audio].Seconds())
	emit(media.Video.String(), worst[media.Video].Seconds())
}
