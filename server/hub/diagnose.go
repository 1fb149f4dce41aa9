package hub

import (
	"slices"

	"github.com/heliograph/heliograph/server/media"
)

// see takes over what the probe has found. When that changes what sinks can do
// with the track, all who have to do with the stream are told.
func (t *Track) see() {
	t.mu.Lock()
	traits := t.probe.Traits()
	t.mu.Unlock()
	old := t.traits.Swap(&traits)
	before, after := t.diagnose(*old), t.diagnose(traits)
	same := old.Width == traits.Width && old.Height == traits.Height && old.SampleRate == traits.SampleRate && old.Unproven == traits.Unproven
	if t.origin != nil || same && slices.Equal(before, after) {
		return
	}
	for _, d := range after {
		if !slices.Contains(before, d) {
			t.stream.hub.cfg.Log.Warn("diagnosis", "stream", t.stream.name, "code", d.Code, "text", d.Text, "fix", d.Fix)
		}
	}
	t.stream.tracksChanged()
}

// diagnose says what browsers will not play of the track with such traits. A
// source that makes keyframes when asked needs none in between.
func (t *Track) diagnose(traits media.Traits) []media.Diagnosis {
	if t.obliging.Load() {
		traits.KeyframeInterval = 0
	}
	return media.Diagnose(t.kind, t.Codec(), traits)
}

// diagnoses says what browsers will not play of a track, and the cure.
func (h *Hub) diagnoses(t *Track) []media.Diagnosis {
	codec, traits := t.Codec(), t.Traits()
	list := t.diagnose(traits)
	if !traits.Plays(codec) || codec.Name == media.H265 {
		h.sayWhatBecomes(list, codec, traits)
	}
	if codec.Name == media.AAC && (h.cfg.Converter == nil || len(h.cfg.Converter.Targets(codec, traits)) == 0) {
		list = append(list, media.Diagnosis{
			Code: "no_transcoder", Kind: t.kind.String(),
			Text: "Browsers get no sound: it is AAC, which WebRTC does not carry, and this server has no ffmpeg to turn it into Opus.",
			Fix:  "Install ffmpeg on the server and start it again, or have the encoder send Opus.",
		})
	}
	return list
}

// sayWhatBecomes adds to each diagnosis of video what viewers get of it.
func (h *Hub) sayWhatBecomes(list []media.Diagnosis, c media.Codec, t media.Traits) {
	becomes := " Viewers see nothing."
	switch {
	case h.cfg.Converter != nil && len(h.cfg.Converter.Targets(c, t)) > 0:
		becomes = " This server re-encodes them for viewers, with more delay and work."
	case c.Name != media.H265 && t.MayPlay(c):
		becomes = " Viewers get them as they are."
	}
	for i := range list {
		if list[i].Code != media.CodeLongGOP {
			list[i].Text += becomes
		}
	}
}
