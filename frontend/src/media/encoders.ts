/** Where encoders send to, and what arrives. */

import { fields, given, optionalString, string } from '../client/fields';
import { parseStream } from '../client/stream';
import { poll } from './poll';
import { asProblem, rest } from './rest';
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

/** What arrives under a name: asked every second, so that an encoder is seen the moment that it connects. */
export class Arrival implements Readable<ArrivalState> {
  readonly #store = new Store<ArrivalState>({ stream: null, known: false, problem: null });
  readonly #name: string;
  #running: AbortController | null = null;

  constructor(stream: string) {
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
    this.#running = new AbortController();
    void poll(1000, (signal) => this.#ask(signal), this.#running.signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
  }

  async #ask(signal: AbortSignal): Promise<void> {
    try {
      const stream = parseStream(await rest('GET', `streams/${encodeURIComponent(this.#name)}`, { signal }));
      this.#store.patch({ stream: same(this.get().stream, stream), known: true, problem: null });
    } catch (e) {
      signal.throwIfAborted();
      const problem = asProblem(e);
      if (problem.code === 'not_live') this.#store.patch({ stream: null, known: true, problem: null });
      else this.#store.patch({ problem: same(this.get().problem, problem) });
    }
  }
}
