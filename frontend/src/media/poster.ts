/** Stills of the running picture for the list of streams. */

import { sleep } from '../client/wait';

const width = 480;
const largest = 40 * 1024;
const every = 10_000;

/** Sends a still every 10 s, the first after 2 s, until the signal is aborted. `track` may give null: then none is sent. */
export async function sendPosters(track: () => MediaStreamTrack | null, send: (jpeg: string) => void, signal: AbortSignal): Promise<void> {
  const video = document.createElement('video');
  video.muted = true;
  video.playsInline = true;
  try {
    await sleep(2000, signal);
    for (;;) {
      const jpeg = await still(video, track());
      signal.throwIfAborted();
      if (jpeg) send(jpeg);
      await sleep(every, signal);
    }
  } catch (e) {
    if (!signal.aborted) throw e;
  } finally {
    video.srcObject = null;
  }
}

async function still(video: HTMLVideoElement, track: MediaStreamTrack | null): Promise<string | null> {
  if (!track) return null;
  const shown = video.srcObject instanceof MediaStream ? video.srcObject.getTracks()[0] : null;
  if (shown !== track) {
    video.srcObject = new MediaStream([track]);
    await video.play().catch(() => undefined);
  }
  if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA || !video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  canvas.width = Math.min(width, video.videoWidth);
  canvas.height = Math.round((canvas.width * video.videoHeight) / video.videoWidth);
  canvas.getContext('2d')?.drawImage(video, 0, 0, canvas.width, canvas.height);
  // A picture full of detail may be too large at the usual quality.
  for (const quality of [0.6, 0.4, 0.2]) {
    const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, 'image/jpeg', quality));
    if (blob && blob.size <= largest) return base64(new Uint8Array(await blob.arrayBuffer()));
  }
  return null;
}

export function base64(bytes: Uint8Array): string {
  let s = '';
  for (const b of bytes) s += String.fromCharCode(b);
  return btoa(s);
}
