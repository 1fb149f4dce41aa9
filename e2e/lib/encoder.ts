import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import type { Ready } from './server';

/** How an encoder or a player of media reaches the server. */
export type Door = 'rtmp' | 'rtmps' | 'rtsp' | 'rtsp-udp' | 'srt';

/** What an encoder makes: a test picture and a tone. */
export interface Media {
  video?: 'h264' | 'h265' | 'av1';
  audio?: 'aac' | 'opus';
  /** What is unusual about the picture. */
  trait?: 'b-frames' | 'interlaced' | '4:4:4';
}

/** Why a program cannot run here; '' when it can. */
export function lacks(program: string): string {
  const tried = spawnSync(program, ['-version'], { stdio: 'ignore' });
  return tried.error ? `${program} cannot run: ${tried.error.message}` : '';
}

/** A program that ends with the test: when told to, and after `limit` seconds in any case. */
export class Tool {
  /** What it wrote to stderr. */
  said = '';
  /** Its exit code once it has ended; null for one that was killed. */
  readonly ended: Promise<number | null>;
  readonly #process: ChildProcess;

  constructor(program: string, args: string[], o: { limit?: number; out?: (b: Buffer) => void; feed?: 'pipe' } = {}) {
    const child = spawn(program, args, { stdio: [o.feed ?? 'ignore', o.out ? 'pipe' : 'ignore', 'pipe'] });
    this.#process = child;
    child.stderr?.on('data', (b: Buffer) => (this.said = (this.said + b.toString()).slice(-100_000)));
    if (o.out) child.stdout?.on('data', o.out);
    const late = setTimeout(() => child.kill('SIGKILL'), (o.limit ?? 120) * 1000);
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => {
        this.said += error.message;
        clearTimeout(late);
        resolve(null);
      });
      child.once('close', (code) => {
        clearTimeout(late);
        resolve(code);
      });
    });
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null && this.#process.pid !== undefined;
  }

  /** What it is fed with, if it was started so. */
  get input(): NodeJS.WritableStream | null {
    return this.#process.stdin;
  }

  /** Ends it as Ctrl-C does, so that it says goodbye to the server; or at once, as a power cut does. */
  async stop(how: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> {
    if (this.running) this.#process.kill(how);
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 3000);
    await this.ended;
    clearTimeout(late);
  }

  /** The last thing it said that is worth reading. */
  get why(): string {
    const lines = this.said.split(/[\r\n]+/).map((l) => l.trim());
    return lines.findLast((l) => /error|fail|refused|denied|unauthor|reject|not found|cannot|invalid|40\d|41\d/i.test(l)) ?? lines.findLast((l) => l !== '') ?? '';
  }
}

/** The address of a stream at one of the server's doors. `secret` is a stream key. */
export function address(at: Ready, door: Door, action: 'publish' | 'watch', stream: string, secret = '', passphrase = ''): string {
  switch (door) {
    case 'rtmp':
    case 'rtmps':
      return `${door}://${at[door]}/live/${stream}${secret && `?key=${secret}`}`;
    case 'rtsp':
    case 'rtsp-udp':
      return `rtsp://${secret && `key:${secret}@`}${at.rtsp}/${stream}`;
    case 'srt': {
      const id = `${action === 'watch' ? 'read' : 'publish'}:${stream}${secret && `:${secret}`}`;
      return `srt://${at.srt}?mode=caller&latency=60000&streamid=${id}${passphrase && `&passphrase=${passphrase}&pbkeylen=16`}`;
    }
  }
}

const videoFlags = {
  h264: ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '30', '-b:v', '400k'],
  h265: ['-c:v', 'libx265', '-preset', 'ultrafast', '-tune', 'zerolatency', '-x265-params', 'keyint=30:log-level=error', '-b:v', '300k'],
  av1: ['-c:v', 'libaom-av1', '-usage', 'realtime', '-cpu-used', '8', '-lag-in-frames', '0', '-g', '30', '-b:v', '300k'],
};

const traitFlags = {
  'b-frames': ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '30', '-b:v', '400k'],
  interlaced: ['-vf', 'tinterlace=mode=interleave_top', ...videoFlags.h264, '-flags', '+ildct+ilme', '-x264opts', 'tff=1'],
  '4:4:4': videoFlags.h264,
};

const audioFlags = {
  aac: ['-c:a', 'aac', '-b:a', '96k', '-ac', '2'],
  opus: ['-c:a', 'libopus', '-b:a', '64k', '-ac', '2'],
};

/** ffmpeg's arguments that make the test picture and tone, in real time or as fast as it can. */
export function making(m: Media, live: boolean): string[] {
  const pace = live ? ['-re'] : [];
  const rate = m.trait === 'interlaced' ? 60 : 30; // two fields make a picture
  const input = (graph: string) => [...pace, '-f', 'lavfi', '-i', graph];
  return [
    ...(m.video ? input(`testsrc2=size=320x180:rate=${rate}`) : []),
    ...(m.audio ? input('sine=frequency=440:sample_rate=48000') : []),
    ...(m.video ? [...(m.trait ? traitFlags[m.trait] : videoFlags[m.video]), '-pix_fmt', m.trait === '4:4:4' ? 'yuv444p' : 'yuv420p'] : []),
    ...(m.audio ? audioFlags[m.audio] : []),
  ];
}

/** ffmpeg's arguments that send to a door. */
export function sending(door: Door, url: string): string[] {
  switch (door) {
    case 'rtmp':
    case 'rtmps':
      return ['-flvflags', 'no_duration_filesize', '-f', 'flv', url];
    case 'rtsp':
    case 'rtsp-udp':
      return ['-f', 'rtsp', '-rtsp_transport', door === 'rtsp' ? 'tcp' : 'udp', url];
    case 'srt':
      return ['-f', 'mpegts', url];
  }
}

const quiet = ['-hide_banner', '-nostdin', '-loglevel', 'warning'];

/** An ffmpeg that makes the test picture and tone live and sends them, as an encoder program does. */
export function encode(m: Media, door: Door, url: string, limit = 90): Tool {
  return new Tool('ffmpeg', [...quiet, ...making(m, true), '-t', String(limit), ...sending(door, url)], { limit: limit + 5 });
}

/** An ffmpeg that sends a file made before, again and again in real time, without coding it anew. */
export function sendFile(file: string, door: Door, url: string, limit = 90): Tool {
  const input = ['-re', '-stream_loop', '-1', '-i', file, '-t', String(limit), '-c', 'copy'];
  return new Tool('ffmpeg', [...quiet, ...input, ...sending(door, url)], { limit: limit + 5 });
}
