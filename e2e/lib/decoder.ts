import { type Door, Tool } from './encoder';

/** What a player saw and heard: decoded frames that differ from one another, and samples with the loudest of them (dB of full scale). */
export interface Seen {
  video?: { codec: string; width: number; frames: number; different: number };
  audio?: { codec: string; samples: number; peak: number };
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

/** Watches `url` with ffmpeg for some seconds of media and returns what it decoded; gives up after `limit` s. */
export async function decode(door: Door, url: string, o: { seconds?: number; limit?: number } = {}): Promise<Seen> {
  let out = '';
  const tool = new Tool(
    'ffmpeg',
    [
      '-hide_banner', '-nostdin', '-nostats', '-loglevel', 'info', ...receiving(door, url),
      '-map', '0:v:0?', '-map', '0:a:0?', '-t', String(o.seconds ?? 2),
      '-vf', 'scale=32:18,format=gray', '-af', 'aresample=48000,volumedetect', '-ac', '1',
      '-c:v', 'rawvideo', '-c:a', 'pcm_s16le', '-f', 'framehash', '-hash', 'crc32', 'pipe:1',
    ],
    { limit: o.limit ?? 20, out: (b) => (out += b.toString()) },
  );
  const code = await tool.ended;
  return { ...seen(out, tool.said), error: code === 0 ? '' : code === null ? `nothing came within ${o.limit ?? 20} s` : tool.why };
}

/** Reads the hashes of decoded frames, and what ffmpeg wrote about the streams. */
function seen(hashes: string, said: string): Omit<Seen, 'error'> {
  const found: Omit<Seen, 'error'> = {};
  const kinds = new Map([...hashes.matchAll(/^#media_type (\d+): (\w+)/gm)].map((m) => [m[1], m[2]]));
  const input = said.split('Output #0')[0] ?? '';
  const codec = (kind: string) => new RegExp(`Stream #0:\\d+[^\\n]*: ${kind}: (\\w+)`).exec(input)?.[1] ?? '';
  const pictures: string[] = [];
  let samples = 0;
  for (const line of hashes.split('\n')) {
    const [stream, , , duration, , hash] = line.split(',').map((f) => f.trim());
    if (line.startsWith('#') || hash === undefined) continue;
    if (kinds.get(stream ?? '') === 'video') pictures.push(hash);
    else samples += Number(duration);
  }
  if (pictures.length > 0) {
    const width = Number(/Video: [^\n]*?, (\d{2,5})x\d+/.exec(input)?.[1] ?? 0);
    found.video = { codec: codec('Video'), width, frames: pictures.length, different: new Set(pictures).size };
  }
  if (samples > 0) found.audio = { codec: codec('Audio'), samples, peak: Number(/max_volume: (\S+) dB/.exec(said)?.[1] ?? -99) };
  return found;
}
