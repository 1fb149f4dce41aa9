import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createInterface, type Interface } from 'node:readline';
import { type End, type Host, plug, sh } from './host';

/** What became of the packets of one direction. */
export interface Counts {
  passed: number;
  lost: number;
  /** Dropped because the queue was full. */
  overrun: number;
  /** Most bytes that waited at once since the last question. */
  deepest: number;
}

/** A cable that loses, delays and queues packets as it is told. Up is from `near` to `far`. */
export class Line {
  readonly #program: ChildProcessWithoutNullStreams;
  readonly #answers: Interface;
  #said = '';

  private constructor(host: Host, near: string, far: string) {
    const netemu = process.env['HELIOGRAPH_LAB_NETEMU'] ?? '';
    // It goes before browsers: what it reads late looks to its queue as if it had come all at once.
    this.#program = spawn('ip', ['netns', 'exec', host.ns, 'nice', '-n', '-20', netemu, near, far], { stdio: 'pipe' });
    this.#program.stderr.on('data', (b: Buffer) => (this.#said += b.toString()));
    this.#answers = createInterface(this.#program.stdout);
  }

  static async between(near: End, far: End): Promise<Line> {
    const line = new Line(near.host, near.name, far.name);
    await line.#answer();
    sh(`
      ip -n ${near.host.ns} link set ${far.name} netns ${far.host.ns}
      ${plug(near)}
      ${plug(far)}`);
    return line;
  }

  /**
   * Changes what the line does, such as "loss=5 delay=20ms down.rate=1e6 down.queue=32000", and returns the counts so
   * far. Without words it only asks.
   */
  async set(words = ''): Promise<{ up: Counts; down: Counts }> {
    const answer = this.#answer();
    this.#program.stdin.write(`${words}\n`);
    const said = (await answer) as { error?: string; up: Counts; down: Counts };
    if (said.error) throw new Error(`the line said: ${said.error}`);
    return said;
  }

  #answer(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const ended = () => reject(new Error(`the line ended: ${this.#said}`));
      this.#program.once('exit', ended);
      this.#answers.once('line', (text) => {
        this.#program.off('exit', ended);
        resolve(JSON.parse(text));
      });
    });
  }

  close(): void {
    this.#program.stdin.end();
  }
}
