import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Tool } from '../lib/encoder';
import type { Host } from './host';

const clips = join(import.meta.dirname, '../.cache/clips');

/** Makes the film that cameras send, once: a test picture at 30 frames a second, a keyframe every 2 s, and a tone. VP8 is what every browser plays. */
function film(kbps: number): string {
  const file = join(clips, `lab-vp8-opus-${kbps}.mkv`);
  if (existsSync(file)) return file;
  mkdirSync(clips, { recursive: true });
  const part = `${file}.${process.pid}.mkv`;
  const noise = 'testsrc2=size=640x360:rate=30,noise=alls=12:allf=t';
  const video = `-c:v libvpx -deadline realtime -cpu-used 8 -g 60 -b:v ${kbps}k -minrate ${kbps}k -maxrate ${kbps}k -pix_fmt yuv420p`;
  const args = ['-y', '-nostdin', '-loglevel', 'error', '-f', 'lavfi', '-i', noise, '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000', ...video.split(' '), '-c:a', 'libopus', '-b:a', '64k', '-ac', '2', '-t', '20', part];
  const made = spawnSync('ffmpeg', args, { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`ffmpeg could not make ${file}: ${made.error?.message ?? made.stderr}`);
  renameSync(part, file);
  return file;
}

/** An encoder on a machine that sends a film again and again by RTSP, without coding it anew. */
export function camera(host: Host, url: string, kbps = 600): Tool {
  const limit = 3600;
  const args = ['-hide_banner', '-nostdin', '-loglevel', 'warning', '-re', '-stream_loop', '-1', '-i', film(kbps), '-t', String(limit), '-c', 'copy', '-f', 'rtsp', '-rtsp_transport', 'tcp', url];
  return new Tool(host.wrap('ffmpeg'), args, { limit: limit + 5 });
}
