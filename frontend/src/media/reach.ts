/** The test of the ways between this browser and the server: what it has found so far. */

import { reachWays, tryWays, type Trial } from '../client/reach';
import { ProtocolError } from '../client/errors';
import { Store } from './store';
import type { Readable } from './types';

export interface ReachState {
  running: boolean;
  /** The verdicts that are in. */
  trials: Trial[];
  /** When the test began, ms since 1970; null before the first. */
  at: number | null;
}

export class ReachStore implements Readable<ReachState> {
  readonly #origin: string;
  readonly #store = new Store<ReachState>({ running: false, trials: [], at: null });
  #abort: AbortController | null = null;

  constructor(origin = location.origin) {
    this.#origin = origin;
  }

  subscribe(fn: (state: ReachState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): ReachState {
    return this.#store.get();
  }

  /** Tests all ways, from the beginning if a test runs. */
  async run(): Promise<void> {
    this.close();
    const abort = new AbortController();
    this.#abort = abort;
    this.#store.patch({ running: true, trials: [], at: Date.now() });
    try {
      if (typeof RTCPeerConnection === 'undefined') this.#without();
      else await tryWays(this.#origin, (t) => this.#took(t, abort.signal), abort.signal);
    } catch (e) {
      if (!abort.signal.aborted) throw e;
    }
    if (this.#abort === abort) this.#store.patch({ running: false });
  }

  /** Calls the test off. */
  close(): void {
    this.#abort?.abort();
    this.#abort = null;
    this.#store.patch({ running: false });
  }

  #took(t: Trial, signal: AbortSignal): void {
    if (!signal.aborted) this.#store.patch({ trials: [...this.get().trials, t] });
  }

  #without(): void {
    const error = new ProtocolError('no_webrtc', 'the browser has no WebRTC');
    this.#store.patch({ trials: reachWays.map((way) => ({ way, outcome: 'untested', ms: 0, targets: [], error })) });
  }
}
