import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { Tool } from '../lib/encoder';
import type { Host } from './host';

const clips = join(import.meta.dirname, '../.cache/clips');

/** What a camera sends: a test picture with noise at 30 frames a second, a keyframe every 2 s, and a tone. */
export interface Film {
  size: '640x360' | '1280x720';
  kbps: number;
  /** A keyframe is at most this many times as big as what a frame has on average. */
  keyframe: number;
}

/** Makes the file of a film, once. VP8 is what every browser plays. */
function file(f: Film): string {
  const made = join(clips, `lab-${f.size}-${f.kbps}-${f.keyframe}.mkv`);
  if (existsSync(made)) return made;
  mkdirSync(clips, { recursive: true });
  const part = `${made}.${process.pid}.mkv`;
  const input = ['-f', 'lavfi', '-i', `testsrc2=size=${f.size}:rate=30,noise=alls=12:allf=t`, '-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'];
  const rate = `-b:v ${f.kbps}k -minrate ${f.kbps}k -maxrate ${f.kbps}k -bufsize ${f.kbps}k -max-intra-rate ${f.keyframe * 100}`;
  const coding = `-c:v libvpx -deadline realtime -cpu-used 8 -g 60 ${rate} -pix_fmt yuv420p -c:a libopus -b:a 64k -ac 2 -t 20`;
  const done = spawnSync('ffmpeg', ['-y', '-nostdin', '-loglevel', 'error', ...input, ...coding.split(' '), part], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`ffmpeg could not make ${made}: ${done.error?.message ?? done.stderr}`);
  renameSync(part, made);
  return made;
}

/** An encoder on a machine that sends a film again and again by RTSP, without coding it anew. */
export function camera(host: Host, url: string, film: Film): Tool {
  const limit = 3600;
  const args = ['-hide_banner', '-nostdin', '-loglevel', 'warning', '-re', '-stream_loop', '-1', '-i', file(film), '-t', String(limit), '-c', 'copy', '-f', 'rtsp', '-rtsp_transport', 'tcp', url];
  return new Tool(host.wrap('ffmpeg'), args, { limit: limit + 5 });
}
