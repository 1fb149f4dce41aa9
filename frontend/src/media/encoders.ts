/** Where encoders send to, and what arrives. */

import type { Connection } from '../client/connection';
import { fields, given, optionalString, string } from '../client/fields';
import { parseStream } from '../client/stream';
import { poll } from './poll';
import { problem } from './problems';
import { rest } from './rest';
import { same, Store } from './store';
import type { Problem, Readable, StreamInfo } from './types';

/** Addresses without stream and key; what is off is absent. */
export interface Encoders {
  host: string;
  whip?: string;
  rtsp?: string;
  rtsps?: string;
  srt?: string;
  rtmp?: string;
  rtmps?: string;
  /** Sound and pictures can be converted: the machine has ffmpeg. */
  transcoder: boolean;
  /** SRT wants the server's passphrase. */
  encrypted: boolean;
}

const protocols = ['whip', 'rtsp', 'rtsps', 'srt', 'rtmp', 'rtmps'] as const;

/** Throws a Problem. */
export async function loadEncoders(signal: AbortSignal): Promise<Encoders> {
  const f = fields(await rest('GET', 'encoders', { signal }), 'answer');
  const e: Encoders = { host: string(f, 'host'), transcoder: f.transcoder === true, encrypted: f.encrypted === true };
  for (const p of protocols) Object.assign(e, given(p, optionalString(f, p) || undefined));
  return e;
}

export interface ArrivalState {
  /** What arrives; null while nothing does, and until `known`. */
  stream: StreamInfo | null;
  known: boolean;
  problem: Problem | null;
}

/** Numbers are asked for this often, ms. */
const measuresEvery = 1000;

/** What arrives under a name: followed, so that an encoder is seen the moment that it connects, and asked for its numbers while it is there. */
export class Arrival implements Readable<ArrivalState> {
  // set at construction
  readonly #connection: Connection;
  readonly #name: string;
  readonly #store = new Store<ArrivalState>({ stream: null, known: false, problem: null });
  // changed while it runs
  #running: AbortController | null = null;

  constructor(connection: Connection, stream: string) {
    this.#connection = connection;
    this.#name = stream;
  }

  subscribe(fn: (state: ArrivalState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): ArrivalState {
    return this.#store.get();
  }

  start(): void {
    if (this.#running) return;
    const { signal } = (this.#running = new AbortController());
    const c = this.#connection;
    const stops = [
      c.follow(this.#name, (stream) => this.#take(stream)),
      c.subscribe((state) => this.#connected(state === 'open')),
    ];
    signal.addEventListener('abort', () => stops.forEach((stop) => stop()));
    void poll(measuresEvery, (s) => this.#measure(s), signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
  }

  #take(stream: StreamInfo): void {
    this.#store.patch({ stream: same(this.get().stream, stream), known: true });
  }

  #connected(open: boolean): void {
    if (open) this.#store.patch({ problem: null });
    // One failed try is a blink.
    else if (this.#connection.failingFor > 1000) this.#store.patch({ problem: same(this.get().problem, problem('connection_lost')) });
  }

  async #measure(signal: AbortSignal): Promise<void> {
    if (this.get().stream?.state !== 'live') return;
    try {
      this.#take(parseStream(await rest('GET', `streams/${encodeURIComponent(this.#name)}`, { signal })));
    } catch {
      // It has just ended, or the server is gone: the socket says which.
      signal.throwIfAborted();
    }
  }
}
