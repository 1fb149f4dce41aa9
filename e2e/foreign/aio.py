"""aiortc as a WHIP publisher or a WHEP viewer: aio.py publish|watch URL [options]."""

import asyncio
import fractions
import sys
import time

import av
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription, VideoStreamTrack
from aiortc.mediastreams import AudioStreamTrack, MediaStreamError

from session import Session, arguments, tell, when_told_to_end


class Ball(VideoStreamTrack):
    """A bright square that wanders over a grey plane."""

    async def recv(self):
        pts, base = await self.next_timestamp()
        frame = av.VideoFrame(640, 360, "yuv420p")
        for plane, value in zip(frame.planes, (60, 128, 128)):
            plane.update(bytes([value]) * plane.buffer_size)
        x = pts // 3000 * 8 % 500
        luma = bytearray(frame.planes[0])
        width = frame.planes[0].line_size
        for y in range(100, 220):
            luma[y * width + x : y * width + x + 120] = b"\xe0" * 120
        frame.planes[0].update(bytes(luma))
        frame.pts, frame.time_base = pts, base
        return frame


class Buzz(AudioStreamTrack):
    """A square wave of 200 Hz; aiortc's own track is silence."""

    _begin = None
    _pts = 0

    async def recv(self):
        rate, samples = 48000, 960
        if self._begin is None:
            self._begin = time.monotonic()
        else:
            self._pts += samples
            await asyncio.sleep(max(0, self._begin + self._pts / rate - time.monotonic()))
        frame = av.AudioFrame("s16", "mono", samples)
        period = b"\x00\x10" * 120 + b"\x00\xf0" * 120
        frame.planes[0].update(period * (samples // 240))
        frame.sample_rate, frame.pts, frame.time_base = rate, self._pts, fractions.Fraction(1, rate)
        return frame


def prefer(pc, codec):
    """Puts one video codec before the others, and leaves the others out."""
    for t in pc.getTransceivers():
        if t.kind == "video":
            all_ = RTCRtpSender.getCapabilities("video").codecs
            t.setCodecPreferences([c for c in all_ if c.name == codec or c.name == "rtx"])


async def count(track):
    """Tells how much of a track was decoded."""
    n = 0
    try:
        while True:
            frame = await track.recv()
            n += 1
            if n % 10 == 0:
                tell(did="decoded", kind=track.kind, count=n, width=getattr(frame, "width", 0))
    except MediaStreamError:
        pass


async def connect(pc, session):
    @pc.on("connectionstatechange")
    def _():
        tell(did="state", state=pc.connectionState)

    await pc.setLocalDescription(await pc.createOffer())  # aiortc gathers all candidates here
    loop = asyncio.get_running_loop()
    answer = await loop.run_in_executor(None, session.offer, pc.localDescription.sdp)
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))


async def run(role, args):
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    when_told_to_end(lambda: loop.call_soon_threadsafe(ended.set))
    pc, session, counts = RTCPeerConnection(), Session(args), []
    if role == "publish":
        pc.addTransceiver(Buzz(), "sendonly")
        pc.addTransceiver(Ball(), "sendonly")
    else:
        pc.addTransceiver("video", "recvonly")
        pc.addTransceiver("audio", "recvonly")
        pc.on("track", lambda track: counts.append(loop.create_task(count(track))))
    prefer(pc, args.codec)
    await connect(pc, session)
    await ended.wait()
    if args.close_first:
        await pc.close()
    await loop.run_in_executor(None, session.delete)
    await pc.close()
    await asyncio.gather(*counts)


asyncio.run(run(sys.argv.pop(1), arguments()))
