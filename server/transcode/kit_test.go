package transcode

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"log/slog"
	"math"
	"os/exec"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bluenviron/mediacommon/v2/pkg/codecs/mpeg4audio"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/heliograph/heliograph/server/auth"
	"github.com/heliograph/heliograph/server/hub"
	"github.com/heliograph/heliograph/server/media"
	"github.com/heliograph/heliograph/server/metric"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come: children start slowly
// on a busy machine.
const patience = 30 * time.Second

type source struct{ asked atomic.Int32 }

func (s *source) RequestKeyframe(*hub.Track, int) { s.asked.Add(1) }
func (s *source) Close(error)                     {}

// stage is a stream with one track and what is made of it.
type stage struct {
	t           testing.TB
	transcoder  *Transcoder
	metrics     *metric.Registry
	source      *source
	publication *hub.Publication
	stream      *hub.Stream
	in          *hub.Input
	made        *hub.Track
	out         *collector
	base        time.Time // when the source's timestamp 0 was, on its own clock
	stop        func()
}

// collector keeps the frames of a track.
type collector struct {
	mu     sync.Mutex
	frames []media.Frame
	at     []time.Time
	more   chan struct{} // is closed and replaced when a frame comes
}

func (c *collector) WriteFrame(f *media.Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.frames = append(c.frames, *f)
	c.at = append(c.at, time.Now())
	close(c.more)
	c.more = make(chan struct{})
}

func (c *collector) Close(error) {}

func (c *collector) all() []media.Frame {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]media.Frame(nil), c.frames...)
}

// until waits until done finds what it wants in the frames so far.
func (c *collector) until(t testing.TB, what string, done func([]media.Frame) bool) {
	t.Helper()
	late := time.After(patience)
	for {
		c.mu.Lock()
		frames, more := c.frames, c.more
		c.mu.Unlock()
		if done(frames) {
			return
		}
		select {
		case <-more:
		case <-late:
			require.Failf(t, "nothing comes", "%s; %d frames came", what, len(frames))
		}
	}
}

// reached waits until the output has come to a timestamp of its clock.
func (c *collector) reached(t testing.TB, stamp int64) {
	t.Helper()
	c.until(t, "the end", func(f []media.Frame) bool {
		return len(f) > 0 && int32(f[len(f)-1].Timestamp-uint32(stamp)) >= 0
	})
}

// installed is the ffmpeg of this machine and the list of its encoders: asking
// it takes longer than most tests.
var installed = sync.OnceValues(func() (program, []byte) {
	p := probe(context.Background(), "")
	list, _ := ask(context.Background(), p.path, "-encoders")
	return p, list
})

func needFFmpeg(t testing.TB, encoders ...string) {
	t.Helper()
	p, list := installed()
	if p.path == "" {
		t.Skip(p.why)
	}
	for _, e := range encoders {
		if !has(list, e) {
			t.Skip("this ffmpeg has no " + e)
		}
	}
}

// newStage publishes a track. With target "" nobody takes anything yet.
func newStage(t testing.TB, codec media.Codec, traits media.Traits, target string) *stage {
	t.Helper()
	needFFmpeg(t)
	s := &stage{t: t, metrics: metric.New(), base: time.Now(), source: &source{}, out: &collector{more: make(chan struct{})}}
	found, _ := installed()
	s.transcoder = newTranscoder(Config{Video: true, MaxVideo: 2, Metrics: s.metrics, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}, func(context.Context) program { return found })
	s.transcoder.maxWait = patience // a busy machine starts children slowly
	h := hub.New(hub.Config{Converter: traitor{s.transcoder, traits}})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = h.Run(ctx)
	}()
	s.stop = sync.OnceFunc(func() {
		cancel()
		<-ended
	})
	t.Cleanup(s.stop)
	var err error
	s.publication, err = h.Publish(auth.System(auth.Publish, "harbour"), s.source, hub.Options{})
	require.NoError(t, err)
	s.stream = s.publication.Stream()
	kind := media.Audio
	if codec.ClockRate == videoRate {
		kind = media.Video
	}
	s.in, err = s.publication.AddTrack(kind, codec)
	require.NoError(t, err)
	if target != "" {
		s.take(kind, target)
	}
	return s
}

// traitor is a transcoder that knows at once what a probe finds out in time.
type traitor struct {
	*Transcoder
	traits media.Traits
}

func (c traitor) Targets(codec media.Codec, _ media.Traits) []media.Codec {
	return c.Transcoder.Targets(codec, c.traits)
}

func (c traitor) Convert(ctx context.Context, from *hub.Track, to *hub.Input) error {
	return c.convert(ctx, from, to, func() media.Traits { return c.traits })
}

func (s *stage) take(kind media.Kind, target string) {
	s.t.Helper()
	s.made = s.stream.Choose(kind, func(c media.Codec, tr media.Traits) bool {
		return c.Name == target && tr == media.Traits{} && c != s.in.Track().Codec()
	})
	require.NotNil(s.t, s.made, "nothing makes %s", target)
	detach, err := s.made.AttachFrames(s.out)
	require.NoError(s.t, err)
	s.t.Cleanup(detach)
	require.Eventually(s.t, func() bool { return s.job() != nil }, patience, time.Millisecond, "the conversion begins")
}

// job returns the conversion that runs.
func (s *stage) job() *job {
	s.transcoder.mu.Lock()
	defer s.transcoder.mu.Unlock()
	for j := range s.transcoder.running {
		return j
	}
	return nil
}

func (s *stage) metric(name string) (v float64) {
	s.metrics.Each(func(m metric.Sample) {
		if m.Name == name {
			v = m.Value
		}
	})
	return v
}

// unit is one frame of a source with its timestamp.
type unit struct {
	stamp    int64
	units    [][]byte
	keyframe bool
}

// write gives the track a frame whose moment is that of its timestamp.
func (s *stage) write(u unit) {
	rate := int64(s.in.Track().Codec().ClockRate)
	at := s.base.Add(span(u.stamp, rate))
	s.in.Anchor(uint32(u.stamp), at)
	require.NoError(s.t, s.in.WriteFrame(media.Frame{Timestamp: uint32(u.stamp), Units: u.units, Keyframe: u.keyframe}, time.Now()))
}

// jump gives the conversion a frame past the hub, which evens out a clock that
// jumps as far as it can.
func (s *stage) jump(u unit) {
	s.job().intake.WriteFrame(&media.Frame{Timestamp: uint32(u.stamp), Units: u.units, Keyframe: u.keyframe})
}

// feed writes frames as fast as they are converted: never more than ahead
// further than what came out of those behind the last jump.
func (s *stage) feed(list []unit, ahead time.Duration) {
	s.t.Helper()
	rate, made := int64(s.in.Track().Codec().ClockRate), int64(s.made.Codec().ClockRate)
	first := list[0].stamp
	for i, u := range list {
		if i > 0 && u.stamp > list[i-1].stamp+rate/2 {
			first = u.stamp
		}
		if reach := u.stamp - int64(ahead.Seconds()*float64(rate)); reach > first {
			s.out.reached(s.t, scale(reach, rate, made))
		}
		s.jump(u)
	}
}

func ffmpeg(t testing.TB, stdin []byte, args ...string) []byte {
	t.Helper()
	cmd := exec.Command("ffmpeg", append([]string{"-hide_banner", "-loglevel", "error"}, args...)...)
	cmd.Stdin = bytes.NewReader(stdin)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, said.String())
	return out
}

// tone is a beep of 1 kHz from a second to another, silent before and after.
func tone(from, to string) string {
	return "aevalsrc='if(between(t," + from + "," + to + "),0.5*sin(2*PI*1000*t),0)'"
}

// aacSource encodes what lavfi makes of a description.
func aacSource(t testing.TB, description, rate, seconds string) (media.Codec, []unit) {
	t.Helper()
	needFFmpeg(t, "aac")
	data := ffmpeg(t, nil, "-f", "lavfi", "-i", description+":s="+rate+":d="+seconds, "-ac", "2", "-c:a", "aac", "-b:a", "128k", "-f", "adts", "pipe:1")
	var packets mpeg4audio.ADTSPackets
	require.NoError(t, packets.Unmarshal(data))
	list := make([]unit, len(packets))
	for i, p := range packets {
		list[i] = unit{stamp: int64(i * aacSamples), units: [][]byte{p.AU}, keyframe: true}
	}
	p := packets[0]
	return media.AACCodec(&mpeg4audio.AudioSpecificConfig{
		Type: p.Type, SampleRate: p.SampleRate, ChannelConfig: p.ChannelConfig,
	}), list
}

// opusSource encodes 20 ms packets.
func opusSource(t testing.TB, description, seconds string) (media.Codec, []unit) {
	t.Helper()
	needFFmpeg(t, "libopus")
	data := ffmpeg(t, nil, "-f", "lavfi", "-i", description+":s=48000:d="+seconds, "-ac", "2", "-c:a", "libopus", "-application", "lowdelay",
		"-b:a", "96000", "-vbr", "off", "-frame_duration", "20", "-map", "0:a", "-f", "data", "pipe:1")
	var list []unit
	for i := 0; i+opusPacketBytes <= len(data); i += opusPacketBytes {
		list = append(list, unit{stamp: int64(len(list) * opusSamples), units: [][]byte{data[i : i+opusPacketBytes]}, keyframe: true})
	}
	return media.Codec{Name: media.Opus, ClockRate: 48000, Channels: 2}, list
}

// g711Source encodes 20 ms of PCMU, PCMA or G722 at a time.
func g711Source(t testing.TB, name, description, seconds string) (media.Codec, []unit) {
	t.Helper()
	encoder, rate := map[string]string{media.PCMU: "pcm_mulaw", media.PCMA: "pcm_alaw", media.G722: "g722"}[name], "8000"
	if name == media.G722 {
		rate = "16000"
	}
	needFFmpeg(t, encoder)
	data := ffmpeg(t, nil, "-f", "lavfi", "-i", description+":s="+rate+":d="+seconds, "-ac", "1", "-c:a", encoder, "-map", "0:a", "-f", "data", "pipe:1")
	var list []unit
	for i := 0; i+160 <= len(data); i += 160 {
		list = append(list, unit{stamp: int64(i), units: [][]byte{data[i : i+160]}, keyframe: true})
	}
	return media.Codec{Name: name, ClockRate: 8000, Channels: 1}, list
}

// videoSource encodes pictures of 30 a second; args choose the encoder.
func videoSource(t testing.TB, size, seconds string, args ...string) (media.Codec, []unit) {
	t.Helper()
	all := append([]string{"-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=30:d=" + seconds}, args...)
	f := flvReader{r: bufio.NewReader(bytes.NewReader(ffmpeg(t, nil, append(all, "-f", "flv", "pipe:1")...)))}
	var list []unit
	var sets [][]byte
	first := time.Duration(math.MaxInt64)
	for {
		tag, err := f.next()
		if err != nil {
			break
		}
		if tag.header {
			sets, err = readParameterSets(tag.data)
			require.NoError(t, err)
			continue
		}
		units, err := readUnits(tag.data)
		require.NoError(t, err)
		if tag.keyframe {
			units = slices.Concat(sets, units)
		}
		list = append(list, unit{stamp: int64(tag.at / time.Millisecond * 90), units: units, keyframe: tag.keyframe})
		first = min(first, tag.at)
	}
	for i := range list {
		list[i].stamp -= int64(first / time.Millisecond * 90)
	}
	require.NotEmpty(t, list)
	return media.H264Codec(sets[0], sets[1]), list
}

// h265Source encodes pictures in the order in which they are shown.
func h265Source(t testing.TB, size, seconds string) (media.Codec, []unit) {
	t.Helper()
	needFFmpeg(t, "libx265")
	data := ffmpeg(t, nil, "-f", "lavfi", "-i", "testsrc2=s="+size+":r=30:d="+seconds, "-c:v", "libx265", "-preset", "ultrafast",
		"-x265-params", "bframes=0:aud=1:repeat-headers=1:keyint=30:log-level=none", "-pix_fmt", "yuv420p", "-f", "hevc", "pipe:1")
	var list []unit
	for _, u := range bytes.Split(bytes.ReplaceAll(data, []byte(startCode), []byte(startCode[1:])), []byte(startCode[1:])) {
		switch kind := h265Kind(u); {
		case len(u) == 0:
		case kind == 35: // access unit delimiter
			list = append(list, unit{stamp: int64(len(list) * 3000)})
		default:
			last := &list[len(list)-1]
			last.units = append(last.units, u)
			last.keyframe = last.keyframe || kind >= 16 && kind <= 21
		}
	}
	return media.Codec{Name: media.H265, ClockRate: 90000}, list
}

// browserSource encodes pictures as browsers do: VP8, VP9 or AV1, without ones
// that are not shown and with one keyframe.
func browserSource(t testing.TB, name, encoder, size, seconds string) (media.Codec, []unit) {
	t.Helper()
	needFFmpeg(t, encoder)
	args := []string{"-f", "lavfi", "-i", "testsrc2=s=" + size + ":r=30:d=" + seconds, "-pix_fmt", "yuv420p", "-c:v", encoder, "-b:v", "500k", "-g", "600"}
	switch encoder {
	case "libsvtav1":
		args = append(args, "-preset", "12", "-svtav1-params", "pred-struct=1:lookahead=0")
	case "libaom-av1":
		args = append(args, "-usage", "realtime", "-cpu-used", "8", "-lag-in-frames", "0")
	default:
		args = append(args, "-deadline", "realtime", "-cpu-used", "8", "-lag-in-frames", "0")
	}
	file := ffmpeg(t, nil, append(args, "-f", "ivf", "pipe:1")...)
	var list []unit
	for rest := file[32:]; len(rest) > 12; {
		n := 12 + int(binary.LittleEndian.Uint32(rest))
		u := unit{stamp: int64(len(list) * 3000), units: [][]byte{rest[12:n]}, keyframe: len(list) == 0}
		if name == media.AV1 {
			u.units = bareOBUs(rest[12:n])
		}
		list, rest = append(list, u), rest[n:]
	}
	return media.Codec{Name: name, ClockRate: videoRate}, list
}

// bareOBUs takes a temporal unit apart as RTP has it: without sizes and
// delimiter.
func bareOBUs(data []byte) (list [][]byte) {
	for len(data) > 0 {
		size, n := binary.Uvarint(data[1:])
		end := 1 + n + int(size)
		if data[0]>>3 != obuDelimiter {
			list = append(list, append([]byte{data[0] &^ obuHasSize}, data[1+n:end]...))
		}
		data = data[end:]
	}
	return list
}

func h265Kind(u []byte) byte {
	if len(u) == 0 {
		return 0
	}
	return u[0] >> 1 & 0x3F
}

// decoded is sound as mono samples at 48 kHz; sample 0 has timestamp begin.
type decoded struct {
	begin   int64
	samples []float64
}

// decode plays frames that follow one another without a gap.
func decode(t testing.TB, codec media.Codec, frames []media.Frame) decoded {
	t.Helper()
	require.NotEmpty(t, frames)
	f, err := newAudio(codec, codec)
	require.NoError(t, err)
	file := matroskaHeader(f.track)
	first := frames[0].Timestamp
	for i, frame := range frames {
		at := span(int64(int32(frame.Timestamp-first)), int64(codec.ClockRate))
		if i > 0 {
			require.Equal(t, f.length(frames[i-1].Units[0]), int64(int32(frame.Timestamp-frames[i-1].Timestamp)), "frame %d follows the one before", i)
		}
		file = appendBlock(file, at, true, frame.Units)
	}
	pcm := ffmpeg(t, file, "-f", "matroska", "-i", "pipe:0", "-ac", "1", "-ar", "48000", "-f", "f32le", "pipe:1")
	d := decoded{begin: int64(int32(first)), samples: make([]float64, len(pcm)/4)}
	for i := range d.samples {
		d.samples[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(pcm[4*i:])))
	}
	return d
}

// onset returns the timestamp at which it gets loud from a sample on.
func (d decoded) onset(from int) int64 {
	for i := max(0, from); i < len(d.samples); i++ {
		if math.Abs(d.samples[i]) > 0.1 {
			return d.begin + int64(i)
		}
	}
	return math.MinInt64
}

// level is the effective value of a stretch.
func (d decoded) level(from, to int) float64 {
	sum := 0.0
	for _, v := range d.samples[from:to] {
		sum += v * v
	}
	return math.Sqrt(sum / float64(to-from))
}

// pitch counts the waves of a stretch, in Hz.
func (d decoded) pitch(from, to int) float64 {
	n := 0
	for i := from + 1; i < to; i++ {
		if d.samples[i-1] < 0 && d.samples[i] >= 0 {
			n++
		}
	}
	return float64(n) * 48000 / float64(to-from)
}
