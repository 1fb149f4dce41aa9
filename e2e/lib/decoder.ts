import { type Door, Tool } from './encoder';

/** What a player saw and heard: decoded frames that differ from one another, and samples with the loudest of them (dB of full scale). */
export interface Seen {
  video?: { codec: string; width: number; frames: number; different: number };
  audio?: { codec: string; samples: number; peak: number };
  /** The largest step from one time stamp of a track to the next (s): more than a part of one, and the player stands still. */
  jump: number;
  /** What the player said last when it gave up, else ''. */
  error: string;
}

/** Quieter than this (dB of full scale) is silence; the test tone is at -18. */
export const silence = -60;

/** Says whether a player saw a moving picture or heard sound. */
export function lively(seen: Seen, kind: 'video' | 'audio'): boolean {
  if (kind === 'video') return (seen.video?.frames ?? 0) >= 20 && (seen.video?.different ?? 0) >= 15;
  return (seen.audio?.samples ?? 0) >= 24_000 && (seen.audio?.peak ?? -99) > silence;
}

function receiving(door: Door, url: string): string[] {
  if (door === 'rtsp' || door === 'rtsp-udp') return ['-rtsp_transport', door === 'rtsp' ? 'tcp' : 'udp', '-i', url];
  return [...(door === 'srt' ? ['-analyzeduration', '2M'] : []), '-i', url]; // MPEG-TS is looked at for 5 s otherwise
}

/** Watches `url` with ffmpeg for three seconds of its time and returns what it decoded; gives up after `limit` s. */
export async function decode(door: Door, url: string, limit = 20): Promise<Seen> {
  let out = '';
  const tool = new Tool(
    'ffmpeg',
    [
      '-hide_banner', '-nostdin', '-nostats', '-loglevel', 'info', ...receiving(door, url),
      '-map', '0:v:0?', '-map', '0:a:0?', '-t', '3', '-fps_mode', 'passthrough',
      '-vf', 'scale=32:18,format=gray', '-af', 'aresample=48000,volumedetect', '-ac', '1',
      '-c:v', 'rawvideo', '-c:a', 'pcm_s16le', '-f', 'framehash', '-hash', 'crc32', 'pipe:1',
    ],
    { limit, out: (b) => (out += b.toString()) },
  );
  const code = await tool.ended;
  return { ...seen(out, tool.said), error: code === 0 ? '' : code === null ? `not enough came within ${limit} s` : tool.why };
}

/** Reads the hashes of decoded frames, and what ffmpeg wrote about the streams. */
function seen(hashes: string, said: string): Omit<Seen, 'error'> {
  const found: Omit<Seen, 'error'> = { jump: 0 };
  const kinds = new Map([...hashes.matchAll(/^#media_type (\d+): (\w+)/gm)].map((m) => [m[1], m[2]]));
  const input = said.split('Output #0')[0] ?? '';
  const codec = (kind: string) => new RegExp(`Stream #0:\\d+[^\\n]*: ${kind}: (\\w+)`).exec(input)?.[1] ?? '';
  const ticks = new Map([...hashes.matchAll(/^#tb (\d+): (\d+)\/(\d+)/gm)].map((m) => [m[1], Number(m[2]) / Number(m[3])]));
  const last = new Map<string, number>();
  const pictures: string[] = [];
  let samples = 0;
  for (const line of hashes.split('\n')) {
    const [stream = '', , pts, duration, , hash] = line.split(',').map((f) => f.trim());
    if (line.startsWith('#') || hash === undefined) continue;
    const at = Number(pts) * (ticks.get(stream) ?? 0);
    found.jump = Math.max(found.jump, at - (last.get(stream) ?? at));
    last.set(stream, at);
    if (kinds.get(stream) === 'video') pictures.push(hash);
    else samples += Number(duration);
  }
  if (pictures.length > 0) {
    const width = Number(/Video: [^\n]*?, (\d{2,5})x\d+/.exec(input)?.[1] ?? 0);
    found.video = { codec: codec('Video'), width, frames: pictures.length, different: new Set(pictures).size };
  }
  if (samples > 0) found.audio = { codec: codec('Audio'), samples, peak: Number(/max_volume: (\S+) dB/.exec(said)?.[1] ?? -99) };
  return found;
}
