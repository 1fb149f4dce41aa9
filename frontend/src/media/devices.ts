/** Asking the browser for cameras, microphones and screens; what it refuses is thrown as a Problem. */

import { problem } from './problems';
import type { Device, Problem } from './types';

export interface DeviceLists {
  cameras: Device[];
  microphones: Device[];
}

/** The browser's devices. Labels are empty until it has been allowed to use one. */
export async function listDevices(): Promise<DeviceLists> {
  const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  const of = (kind: MediaDeviceKind, name: string): Device[] =>
    all.filter((d) => d.kind === kind && d.deviceId).map((d, i) => ({ id: d.deviceId, label: d.label || `${name} ${i + 1}` }));
  return { cameras: of('videoinput', 'Camera'), microphones: of('audioinput', 'Microphone') };
}

/** Calls fn when a device is plugged in or out. Returns the end of it. */
export function onDevicesChange(fn: () => void): () => void {
  const devices = navigator.mediaDevices;
  devices?.addEventListener?.('devicechange', fn);
  return () => devices?.removeEventListener?.('devicechange', fn);
}

/** Asks for tracks. Rejects with a Problem, or with the signal's reason; tracks that come too late are stopped. */
export async function askFor(constraints: MediaStreamConstraints, signal: AbortSignal): Promise<MediaStreamTrack[]> {
  if (!navigator.mediaDevices?.getUserMedia) throw problem('insecure');
  let stream: MediaStream;
  try {
    stream = await navigator.mediaDevices.getUserMedia(constraints);
  } catch (e) {
    signal.throwIfAborted();
    throw captureProblem(e, constraints);
  }
  return unlessAborted(stream, signal);
}

/** Asks for a screen or window; null when the person changed their mind. */
export async function askForScreen(video: MediaTrackConstraints, signal: AbortSignal): Promise<MediaStreamTrack | null> {
  if (!navigator.mediaDevices) throw problem('insecure');
  if (!navigator.mediaDevices.getDisplayMedia) throw problem('screen_missing');
  try {
    const stream = await navigator.mediaDevices.getDisplayMedia({ video, audio: false });
    return unlessAborted(stream, signal)[0] ?? null;
  } catch (e) {
    signal.throwIfAborted();
    // Closing the browser's dialog and a refusal of the system have one name; only the words tell them apart.
    if (e instanceof DOMException && e.name === 'NotAllowedError' && !/system/i.test(e.message)) return null;
    throw problem('screen_blocked');
  }
}

function unlessAborted(stream: MediaStream, signal: AbortSignal): MediaStreamTrack[] {
  const tracks = stream.getTracks();
  if (signal.aborted) for (const t of tracks) t.stop();
  signal.throwIfAborted();
  return tracks;
}

/** The words for an error of getUserMedia. */
export function captureProblem(thrown: unknown, asked: MediaStreamConstraints): Problem {
  const what = asked.video && asked.audio ? 'devices' : asked.video ? 'camera' : 'microphone';
  switch (thrown instanceof Error || thrown instanceof DOMException ? thrown.name : '') {
    case 'NotAllowedError':
    case 'SecurityError':
      return problem(`${what}_blocked`);
    case 'NotFoundError':
    case 'OverconstrainedError':
      return problem(`${what}_missing`);
    case 'NotReadableError':
    case 'AbortError':
      return problem(`${what}_busy`);
    case 'TypeError':
      return problem('insecure');
    default:
      return problem('internal');
  }
}
