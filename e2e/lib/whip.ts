import type { Page } from '@playwright/test';
import type { Media } from './encoder';

/** Publishes Chromium's fake camera and microphone by WHIP alone, without the studio. Closing the page ends it. */
export async function publishByWhip(page: Page, url: string, m: Media): Promise<void> {
  const codec = m.video === 'av1' ? 'video/AV1' : 'video/H264';
  await page.evaluate(
    async ({ url, codec, video, audio }) => {
      const camera = await navigator.mediaDevices.getUserMedia({ video: video && { width: 320, height: 180, frameRate: 30 }, audio });
      const pc = new RTCPeerConnection();
      for (const track of camera.getTracks()) {
        const t = pc.addTransceiver(track, { direction: 'sendonly' });
        if (track.kind !== 'video') continue;
        if (codec === 'video/AV1') {
          // FFmpeg 8.1, which reads this by RTSP, loses the picture when later frames are larger than a packet.
          const p = t.sender.getParameters();
          for (const e of p.encodings) e.maxBitrate = 60_000;
          await t.sender.setParameters(p);
        }
        const all = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
        t.setCodecPreferences(all.filter((c) => c.mimeType === codec || c.mimeType === 'video/rtx'));
      }
      await pc.setLocalDescription(await pc.createOffer());
      const answer = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: pc.localDescription?.sdp ?? null });
      if (answer.status !== 201) throw new Error(`WHIP was answered with ${answer.status}: ${await answer.text()}`);
      await pc.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    },
    { url, codec, video: m.video !== undefined, audio: m.audio !== undefined },
  );
}
