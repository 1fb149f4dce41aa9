import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** Why there is no ffmpeg here; '' when there is. */
export function absent(): string {
  const tried = spawnSync('ffmpeg', ['-version']);
  return tried.status === 0 ? '' : 'ffmpeg is not installed';
}

const picture = ['-re', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=30'];
const sound = ['-f', 'lavfi', '-i', 'sine=frequency=440:sample_rate=48000'];
const plays = ['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-bf', '0', '-g', '30', '-pix_fmt', 'yuv420p'];
const reorders = ['-c:v', 'libx264', '-preset', 'veryfast', '-bf', '2', '-g', '30', '-pix_fmt', 'yuv420p'];

export interface Sending {
  /** Sends frames in another order than they are shown. */
  bFrames?: boolean;
}

/** An ffmpeg that publishes a test picture and a tone to an address, as an encoder would. */
export class Encoder {
  readonly #process: ChildProcess;
  /** What it wrote, for whoever reads a failed test. */
  log = '';

  constructor(address: string, o: Sending = {}) {
    const out = address.startsWith('rtsp') ? ['-f', 'rtsp', '-rtsp_transport', 'tcp'] : address.startsWith('srt') ? ['-f', 'mpegts'] : ['-f', 'flv'];
    const audio = address.startsWith('rtsp') ? ['-c:a', 'libopus', '-ac', '2'] : ['-c:a', 'aac', '-ac', '2'];
    const args = ['-nostdin', '-v', 'warning', ...picture, ...sound, ...(o.bFrames ? reorders : plays), ...audio, ...out, address];
    this.#process = spawn('ffmpeg', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#process.stderr?.on('data', (b: Buffer) => (this.log += b.toString()));
  }

  get running(): boolean {
    return this.#process.exitCode === null && this.#process.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.running) return;
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill('SIGTERM');
    await ended;
  }
}
