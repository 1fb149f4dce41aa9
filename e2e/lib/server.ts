import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export const binary = join(import.meta.dirname, '../../bin/heliograph');

export interface Options {
  /** Anyone may publish. */
  open?: boolean;
  /** Makes the user admin with this password instead of a set-up link. */
  password?: string;
  listen?: string;
  /** Runs instead of the binary: a wrapper that starts it elsewhere. */
  program?: string;
  /** More flags. */
  flags?: string[];
  /** Instead of the test's own environment. */
  env?: NodeJS.ProcessEnv;
}

/** Where a server can be reached, as its ready line says; encoders' doors as host:port. */
export interface Ready {
  http: string;
  rtmp: string;
  rtsp: string;
  srt: string;
  rtmps?: string;
  rtsps?: string;
  pid: number;
}

/** A server of its own: temporary data, a free port. */
export class Server {
  readonly url: string;
  readonly at: Ready;
  /** What it wrote to stderr so far: the log and the set-up link. */
  log = '';
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(process: ChildProcess, at: Ready, data: string, log: string) {
    this.#process = process;
    this.url = at.http;
    this.at = at;
    this.#data = data;
    this.log = log;
    process.stderr?.on('data', (b: Buffer) => (this.log += b.toString()));
  }

  static async start(o: Options = {}): Promise<Server> {
    const data = mkdtempSync(join(tmpdir(), 'heliograph-'));
    const listen = o.listen ?? '127.0.0.1:0';
    const anyPort = listen.replace(/:\d+$/, ':0');
    const doors = ['--rtmp', anyPort, '--rtsp', anyPort, '--srt', anyPort];
    const args = ['--listen', listen, ...doors, '--data', data, '--ready-json', ...(o.open ? ['--open'] : []), ...(o.flags ?? [])];
    const env = { ...(o.env ?? process.env), ...(o.password ? { HELIOGRAPH_ADMIN_PASSWORD: o.password } : {}) };
    const child = spawn(o.program ?? binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    const collect = (b: Buffer) => (log += b.toString());
    child.stderr.on('data', collect);
    const at = await new Promise<Ready>((resolve, reject) => {
      createInterface(child.stdout).once('line', (line) => resolve(JSON.parse(line) as Ready));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
    });
    child.stderr.off('data', collect);
    return new Server(child, at, data, log);
  }

  /** Runs another command of the binary on this server's data and returns what it printed. */
  async command(...args: string[]): Promise<string> {
    const child = spawn(binary, [...args, '--data', this.#data], { stdio: ['ignore', 'pipe', 'pipe'] });
    let out = '';
    let err = '';
    child.stdout.on('data', (b: Buffer) => (out += b.toString()));
    child.stderr.on('data', (b: Buffer) => (err += b.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${err}`);
    return out.trim();
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    if (this.#process.exitCode === null) {
      this.#process.kill('SIGTERM');
      await ended;
    }
    rmSync(this.#data, { recursive: true, force: true });
  }
}
