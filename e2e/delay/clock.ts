import { join } from 'node:path';
import { type Door, sending, Tool } from '../lib/encoder';

const x264 = ['-c:v', 'libx264', '-preset', 'veryfast', '-tune', 'zerolatency', '-g', '30', '-b:v', '1500k'];
const sounds = { aac: ['-c:a', 'aac', '-b:a', '96k', '-ac', '2'], opus: ['-c:a', 'libopus', '-b:a', '96k', '-ac', '2'] };

/** An ffmpeg that sends the camera with the clock; see clock.mjs. */
export function clock(door: Door, url: string, o: { audio?: 'aac' | 'opus'; stamps?: 'exact' | 'wall'; seconds?: number } = {}): Tool {
  const seconds = o.seconds ?? 100;
  const args = [o.stamps ?? 'exact', String(seconds), o.audio ? 'av' : 'video', ...x264, ...(o.audio ? sounds[o.audio] : []), ...sending(door, url)];
  return new Tool(process.execPath, [join(import.meta.dirname, 'clock.mjs'), ...args], { limit: seconds + 10 });
}
