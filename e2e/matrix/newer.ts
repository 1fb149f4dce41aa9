import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Seen } from '../lib/decoder';
import { type Door, type Media, Tool } from '../lib/encoder';

const script = join(import.meta.dirname, 'newer.mjs');

/** Why FFmpeg 8 is not here; '' when it is. */
export const lacksNewer = existsSync(join(import.meta.dirname, 'node_modules/node-av')) ? '' : 'no FFmpeg that can: npm install did not bring node-av';

const transport = (door: Door) => (door === 'rtsp' ? 'tcp' : door === 'rtsp-udp' ? 'udp' : '');
const format = (door: Door) => (door.startsWith('rtsp') ? 'rtsp' : door === 'srt' ? 'mpegts' : 'flv');

/** Sends a file with FFmpeg 8, again and again in real time. */
export function sendFileNewer(file: string, door: Door, url: string, limit = 90): Tool {
  return new Tool(process.execPath, [script, 'publish', file, url, format(door), transport(door), String(limit)], { limit: limit + 5 });
}

/** Watches what `media` says with FFmpeg 8. */
export async function decodeNewer(door: Door, url: string, media: Media, limit = 20): Promise<Seen> {
  let out = '';
  const tool = new Tool(process.execPath, [script, 'read', url, transport(door), '2', String(Number(!!media.video) + Number(!!media.audio))], { limit, out: (b) => (out += b.toString()) });
  const code = await tool.ended;
  const found = code === 0 ? (JSON.parse(out) as Omit<Seen, 'error' | 'jump'>) : {};
  return { ...found, jump: 0, error: code === 0 ? '' : code === null ? `nothing came within ${limit} s` : tool.why };
}
