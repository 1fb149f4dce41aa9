/** The data messages of one stream that is watched, each in time with what is seen or heard. */

import type { Connection } from '../client/connection';
import type { DataMessage } from '../client/wire';
import { TimedMessages } from './timed';
import type { LastData } from './types';

/** No timer waits longer (ms): what is dated later is looked at with every tick. */
const longest = 2000;

export class DataFeed {
  // set at construction
  readonly #connection: Connection;
  readonly #stream: string;
  /** Seconds from the server to the screen. */
  readonly #delay: () => number;
  readonly #timed = new TimedMessages();
  // changed while it runs
  #stop: (() => void) | null = null;
  #last: LastData | null = null;

  constructor(connection: Connection, stream: string, delay: () => number, tell: (m: DataMessage) => void) {
    this.#connection = connection;
    this.#stream = stream;
    this.#delay = delay;
    this.#timed.onmessage = (m) => {
      this.#last = { name: m.name, at: Date.now() };
      tell(m);
    };
  }

  /** The newest message that was told; null before the first. */
  get last(): LastData | null {
    return this.#last;
  }

  start(): void {
    this.#stop ??= this.#connection.hearData(this.#stream, (m) => this.#take(m));
  }

  close(): void {
    this.#stop?.();
    this.#stop = null;
    this.#timed.clear();
  }

  /** A picture is on the screen. */
  frame(rtp: number): void {
    this.#timed.frame(rtp);
  }

  /** Another session: its pictures are numbered anew. */
  renumber(): void {
    this.#timed.renumber();
  }

  /** Tells what is due by the clock; to be called now and then. */
  tick(): void {
    this.#timed.moment(this.#moment());
  }

  #take(m: DataMessage): void {
    this.#timed.add(m);
    const wait = Math.min(longest, Math.max(0, m.time - this.#moment()));
    // The clock of a timer may be a little early.
    setTimeout(() => this.#stop && this.tick(), wait + 2);
  }

  /** The time by the server's clock of what is seen now. */
  #moment(): number {
    return this.#connection.serverNow() - this.#delay() * 1000;
  }
}
