/** The list of streams, fetched every 5 s while the page is seen. */

import { parseStream, type StreamInfo } from '../client/wire';
import { poll } from './poll';
import { asProblem, rest } from './rest';
import { Store } from './store';
import type { Readable, StreamsState } from './types';

const every = 5000;

export class StreamsStore implements Readable<StreamsState> {
  readonly #store = new Store<StreamsState>({ streams: null, problem: null });
  #running: AbortController | null = null;

  subscribe(fn: (state: StreamsState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): StreamsState {
    return this.#store.get();
  }

  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void poll(every, (signal) => this.#fetch(signal), this.#running.signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    try {
      this.#store.patch({ streams: parseStreams(await rest('GET', 'streams', { signal })), problem: null });
    } catch (e) {
      signal.throwIfAborted();
      this.#store.patch({ problem: asProblem(e) });
    }
  }
}

function parseStreams(value: unknown): StreamInfo[] {
  const streams = (value as { streams?: unknown } | null)?.streams ?? [];
  if (!Array.isArray(streams)) throw new TypeError('the list of streams is missing');
  return streams.map(parseStream);
}
