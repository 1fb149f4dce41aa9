import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const python = process.env['PYTHON'] ?? '/usr/bin/python3';
const folder = join(import.meta.dirname, '../foreign');

// What a client needs: the modules of its program, and elements of GStreamer.
const needs = {
  gst: "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import Gst, GstWebRTC; Gst.init(None); assert all(map(Gst.ElementFactory.find, 'webrtcbin nicesrc x264enc vp8enc opusenc vp8dec opusdec'.split())), 'a GStreamer plugin is missing'",
  aio: 'import aiortc',
};

export type Program = keyof typeof needs;

/** Why a client cannot run here; '' when it can. */
export function absent(program: Program): string {
  const tried = spawnSync(python, ['-c', needs[program]], { encoding: 'utf8' });
  if (tried.status === 0) return '';
  return `${program}.py cannot run with ${python}: ${tried.error?.message ?? tried.stderr.trim().split('\n').at(-1)}`;
}

/** One line of a client. */
export interface Line {
  did: 'post' | 'refused' | 'state' | 'decoded' | 'delete' | 'error';
  status?: number;
  type?: string;
  location?: string;
  state?: string;
  kind?: 'audio' | 'video';
  count?: number;
  width?: number;
}

/** A WHIP or WHEP client that is not ours, in a process of its own. */
export class Foreign {
  readonly lines: Line[] = [];
  /** What it said beside its lines, for whoever reads a failed test. */
  said = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;

  constructor(program: Program, role: 'publish' | 'watch', url: string, ...options: string[]) {
    const args = [join(folder, `${program}.py`), role, url, ...options];
    const child = spawn(python, args, { stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' } });
    this.#process = child;
    this.#ended = new Promise((resolve) => child.once('close', resolve));
    createInterface(child.stdout).on('line', (line) => this.lines.push(JSON.parse(line) as Line));
    child.stderr.on('data', (b: Buffer) => (this.said += b.toString()));
  }

  /** The first line of a kind, once it is there. */
  find(did: Line['did']): Line | undefined {
    return this.lines.find((l) => l.did === did);
  }

  /** How many frames or audio buffers it has decoded, to the ten. */
  decoded(kind: 'audio' | 'video'): number {
    return this.lines.findLast((l) => l.did === 'decoded' && l.kind === kind)?.count ?? 0;
  }

  /** Has it end its session, and returns the status of the DELETE. */
  async end(): Promise<number | undefined> {
    this.#process.stdin?.end();
    const late = setTimeout(() => this.#process.kill('SIGKILL'), 10_000);
    await this.#ended;
    clearTimeout(late);
    return this.find('delete')?.status;
  }
}
