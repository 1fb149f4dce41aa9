package inside

import (
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"time"

	"github.com/heliograph/heliograph/server/hub"
)

// The load: 2.4 Mbit/s of 720p30 and Opus, as one of an encoder's streams.
const (
	framesPerSecond = 30
	framePackets    = 8
	keyPackets      = 32
	keyframeEvery   = 2 * time.Second
	payloadSize     = 1200
	audioPerSecond  = 50
	audioSize       = 120

	videoClock = 90_000
	audioClock = 48_000
)

// What a probe needs to know of a packet stands in its payload, behind the
// bytes by which H.264 is told apart.
const (
	stampAt   = 8
	stampSize = 16
)

// stamp is what is written into each packet of video.
type stamp struct {
	written  int64 // ns of Unix time
	frame    uint32
	keyframe bool
	measured bool // within a measured window
}

func (s stamp) put(b []byte) {
	binary.BigEndian.PutUint64(b, uint64(s.written))
	binary.BigEndian.PutUint32(b[8:], s.frame)
	b[12], b[13] = 0, 0
	if s.keyframe {
		b[12] = 1
	}
	if s.measured {
		b[13] = 1
	}
}

func readStamp(b []byte) stamp {
	return stamp{
		written: int64(binary.BigEndian.Uint64(b)), frame: binary.BigEndian.Uint32(b[8:]),
		keyframe: b[12] == 1, measured: b[13] == 1,
	}
}

// feeder writes into the hub. One goroutine uses it.
type feeder struct {
	// set at construction
	house   *house
	start   time.Time
	payload []byte // of video
	silence []byte

	videoSeq, audioSeq uint16
	frames             uint32 // of all kinds
	cadence            int    // frames in the rhythm of an encoder
	measured           bool
	written, pictures  uint64 // packets of both tracks; of video
}

func newFeeder(h *house) *feeder {
	return &feeder{house: h, start: time.Now(), payload: make([]byte, payloadSize), silence: make([]byte, audioSize)}
}

// frame writes the packets of one frame in one go: fragments of one slice (RFC
// 6184 section 5.8).
func (f *feeder) frame(key bool, packets int) {
	kind, slice := byte(1), byte(0x9a) // a P slice
	if key {
		kind, slice = 5, 0x88 // of an IDR picture
	}
	timestamp := uint32(time.Since(f.start).Microseconds() * videoClock / 1_000_000)
	f.frames++
	for i := range packets {
		f.payload[0], f.payload[1], f.payload[2] = 0x7c, kind, slice
		if i == 0 {
			f.payload[1] |= 0x80
		}
		if i == packets-1 {
			f.payload[1] |= 0x40
		}
		now := time.Now()
		stamp{now.UnixNano(), f.frames, key, f.measured}.put(f.payload[stampAt:])
		f.house.video.WritePacket(hub.Incoming{
			Seq: f.videoSeq, Timestamp: timestamp, Marker: i == packets-1, Arrival: now, Payload: f.payload,
		})
		f.videoSeq++
	}
	f.written += uint64(packets)
	f.pictures += uint64(packets)
}

func (f *feeder) sound() {
	now := time.Now()
	f.house.audio.WritePacket(hub.Incoming{
		Seq: f.audioSeq, Timestamp: uint32(now.Sub(f.start).Microseconds() * audioClock / 1_000_000), Arrival: now, Payload: f.silence,
	})
	f.audioSeq++
	f.written++
}

// paced writes as an encoder does, for d.
func (f *feeder) paced(ctx context.Context, d time.Duration) error {
	begin := time.Now()
	const perKey = int(keyframeEvery * framesPerSecond / time.Second)
	for pictures, sounds := 0, 0; ; {
		picture := begin.Add(time.Duration(pictures) * time.Second / framesPerSecond)
		sound := begin.Add(time.Duration(sounds) * time.Second / audioPerSecond)
		next := picture
		if sound.Before(picture) {
			next = sound
		}
		if next.Sub(begin) >= d {
			return sleep(ctx, time.Until(begin.Add(d)))
		}
		if err := sleep(ctx, time.Until(next)); err != nil {
			return err
		}
		if next.Equal(sound) {
			f.sound()
			sounds++
			continue
		}
		if f.cadence%perKey == 0 {
			f.frame(true, keyPackets)
		} else {
			f.frame(false, framePackets)
		}
		pictures++
		f.cadence++
	}
}

// settle takes back to the stream every viewer that could not follow, with a
// keyframe, and waits until all is sent.
func (f *feeder) settle(ctx context.Context) error {
	f.frame(true, keyPackets)
	for before := f.house.done() - 1; f.house.done() != before; {
		before = f.house.done()
		if err := sleep(ctx, settleTime); err != nil {
			return err
		}
	}
	return nil
}

// flatOut writes bursts for d, each when the one before has been sent to all
// viewers, and returns how many packets were.
func (f *feeder) flatOut(ctx context.Context, d time.Duration, viewers int) (packets uint64, err error) {
	begin, done := time.Now(), f.house.done()
	for time.Since(begin) < d && ctx.Err() == nil {
		f.frame(false, framePackets)
		packets += framePackets * uint64(viewers)
		if err := f.waitSent(done + packets); err != nil {
			return packets, err
		}
	}
	return packets, ctx.Err()
}

// How to wait for the sender: by letting it run, and when it has not finished
// then, it waits itself, as it spaces what a fast source sends to few viewers.
const (
	yields      = 50
	pause       = 300 * time.Microsecond
	sendTimeout = 5 * time.Second
)

func (f *feeder) waitSent(target uint64) error {
	for i := 0; f.house.done() < target; i++ {
		switch {
		case i < yields:
			runtime.Gosched()
		case i > int(sendTimeout/pause):
			return fmt.Errorf("the sender has sent only %d of %d packets: a viewer has left or skips to the next keyframe",
				f.house.done(), target)
		default:
			time.Sleep(pause)
		}
	}
	return nil
}

// sleep waits for d. It returns why ctx ended if that was first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
