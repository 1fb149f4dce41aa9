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
}

/** A server of its own: temporary data, a free port. */
export class Server {
  readonly url: string;
  /** What it wrote to stderr so far: the log and the set-up link. */
  log = '';
  readonly #process: ChildProcess;
  readonly #data: string;

  private constructor(process: ChildProcess, url: string, data: string, log: string) {
    this.#process = process;
    this.url = url;
    this.#data = data;
    this.log = log;
    process.stderr?.on('data', (b: Buffer) => (this.log += b.toString()));
  }

  static async start(o: Options = {}): Promise<Server> {
    const data = mkdtempSync(join(tmpdir(), 'heliograph-'));
    const args = ['--listen', o.listen ?? '127.0.0.1:0', '--data', data, '--ready-json', ...(o.open ? ['--open'] : [])];
    const env = { ...process.env, ...(o.password ? { HELIOGRAPH_ADMIN_PASSWORD: o.password } : {}) };
    const child = spawn(o.program ?? binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let log = '';
    const collect = (b: Buffer) => (log += b.toString());
    child.stderr.on('data', collect);
    const url = await new Promise<string>((resolve, reject) => {
      createInterface(child.stdout).once('line', (line) => resolve((JSON.parse(line) as { http: string }).http));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the server ended with ${code}:\n${log}`)));
    });
    child.stderr.off('data', collect);
    return new Server(child, url, data, log);
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
