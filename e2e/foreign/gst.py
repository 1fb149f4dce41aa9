"""GStreamer's webrtcbin as a WHIP publisher or a WHEP viewer: gst.py publish|watch URL [options]."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

from session import Session, arguments, tell, when_told_to_end  # noqa: E402

VIDEO = {
    "H264": "x264enc {tune} speed-preset=ultrafast bitrate=800 key-int-max=30 ! "
    "video/x-h264,profile={profile} ! rtph264pay config-interval=-1 aggregate-mode=zero-latency",
    "VP8": "vp8enc deadline=1 cpu-used=8 target-bitrate=800000 keyframe-max-dist=30 ! rtpvp8pay picture-id-mode=15-bit",
}

# The audio comes first and has payload type 111, the video 96: so does OBS.
PUBLISH = """
webrtcbin name=web bundle-policy=max-bundle
audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! audio/x-raw,rate=48000,channels=2 !
  opusenc ! rtpopuspay ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! web.
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=30/1 !
  videoconvert ! queue ! {video} ! application/x-rtp,media=video,encoding-name={codec},payload=96 ! web.
"""

RECEIVE = {
    "H264": "packetization-mode=(string)1,profile-level-id=(string)42e01f,",
    "VP8": "",
}


class Client:
    """One webrtcbin, its pipeline and its session."""

    def __init__(self, args, pipeline):
        self._args = args
        self._session = Session(args)
        self._loop = GLib.MainLoop()
        self.pipeline = pipeline
        self.web = pipeline.get_by_name("web")
        self.web.connect("on-negotiation-needed", self._negotiate)
        self.web.connect("notify::ice-gathering-state", self._gathered)
        self.web.connect("notify::connection-state", self._state)

    def run(self):
        """Plays until the test ends it or the pipeline fails."""
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self._failed)
        when_told_to_end(lambda: GLib.idle_add(self._end))
        self.pipeline.set_state(Gst.State.PLAYING)
        self._loop.run()

    def _negotiate(self, web):
        def made(promise):
            reply = promise.get_reply()  # must outlive the offer, which is a part of it
            web.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

        web.emit("create-offer", None, Gst.Promise.new_with_change_func(made))

    def _gathered(self, web, _):
        if web.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self._exchange)

    def _exchange(self):
        sdp = self.web.get_property("local-description").sdp.as_text()
        _, message = GstSdp.SDPMessage.new_from_text(self._session.offer(sdp))
        answer = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.web.emit("set-remote-description", answer, Gst.Promise.new())

    def _state(self, web, _):
        tell(did="state", state=web.get_property("connection-state").value_nick)

    def _failed(self, _, message):
        error, more = message.parse_error()
        tell(did="error", error=error.message, more=more)
        self._loop.quit()

    def _end(self):
        if self._args.close_first:
            self.pipeline.set_state(Gst.State.NULL)
        self._session.delete()
        self.pipeline.set_state(Gst.State.NULL)
        self._loop.quit()


def publisher(args):
    # What browsers can decode, or what encoders do when they save bits.
    tune, profile = "tune=zerolatency", "constrained-baseline"
    if args.b_frames:
        tune, profile = f"bframes={args.b_frames} b-adapt=false", "main"
    video = VIDEO[args.codec].format(tune=tune, profile=profile)
    pipeline = Gst.parse_launch(PUBLISH.format(codec=args.codec, video=video))
    client = Client(args, pipeline)
    for i in range(2):
        t = client.web.emit("get-transceiver", i)
        t.set_property("direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY)
        t.set_property("do-nack", True)
    return client


def viewer(args):
    pipeline = Gst.Pipeline()
    pipeline.add(Gst.parse_launch("webrtcbin name=web bundle-policy=max-bundle latency=100"))
    client = Client(args, pipeline)
    only = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
    for caps in (
        f"application/x-rtp,media=video,encoding-name={args.codec},{RECEIVE[args.codec]}payload=96,clock-rate=90000",
        "application/x-rtp,media=audio,encoding-name=OPUS,payload=111,clock-rate=48000,encoding-params=(string)2",
    ):
        client.web.emit("add-transceiver", only, Gst.caps_from_string(caps)).set_property("do-nack", True)
    client.web.connect("pad-added", lambda _, pad: decode(client.pipeline, pad))
    return client


def decode(pipeline, pad):
    """Decodes what comes out of a source pad of webrtcbin, and tells how much."""
    if pad.direction != Gst.PadDirection.SRC:
        return
    kind = pad.get_current_caps().get_structure(0).get_string("media")
    sink = Gst.parse_bin_from_description("decodebin name=in ! fakesink name=out sync=false signal-handoffs=true", False)
    count = [0]

    def handoff(_, buffer, out):
        count[0] += 1
        if count[0] % 10 == 0:
            caps = out.get_current_caps().get_structure(0)
            tell(did="decoded", kind=kind, count=count[0], width=caps.get_value("width") or 0, format=caps.get_name())

    sink.get_by_name("out").connect("handoff", handoff)
    pipeline.add(sink)
    sink.add_pad(Gst.GhostPad.new("sink", sink.get_by_name("in").get_static_pad("sink")))
    sink.sync_state_with_parent()
    pad.link(sink.get_static_pad("sink"))


def main():
    Gst.init(None)
    role = sys.argv.pop(1)
    args = arguments()
    {"publish": publisher, "watch": viewer}[role](args).run()


main()
