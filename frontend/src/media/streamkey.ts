/** The key with which an encoder publishes one stream. */

import { fields, string } from '../client/fields';
import { asProblem, rest } from './rest';
import { Store } from './store';
import type { Problem, Readable } from './types';

export interface KeyState {
  stream: string;
  /** null: it has none, or it is not known yet. */
  key: string | null;
  known: boolean;
  problem: Problem | null;
  /** A new one is being made. */
  busy: boolean;
}

export class KeyStore implements Readable<KeyState> {
  readonly #store = new Store<KeyState>({ stream: '', key: null, known: false, problem: null, busy: false });
  #loading: AbortController | null = null;

  subscribe(fn: (state: KeyState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): KeyState {
    return this.#store.get();
  }

  /** Goes over to the key of this stream. */
  async open(stream: string): Promise<void> {
    this.close();
    const { signal } = (this.#loading = new AbortController());
    this.#store.patch({ stream, key: null, known: false, problem: null, busy: false });
    try {
      const answer = await rest('GET', path(stream), { signal });
      this.#store.patch({ key: keyOf(answer), known: true });
    } catch (e) {
      if (signal.aborted) return;
      const problem = asProblem(e);
      this.#store.patch(problem.code === 'no_key' ? { known: true } : { problem });
    }
  }

  /** Makes a new key; the one before stops to work. Reports whether it went well; else the state has the problem. */
  async make(): Promise<boolean> {
    const { stream } = this.get();
    this.#store.patch({ busy: true, problem: null });
    try {
      const key = keyOf(await rest('POST', path(stream), { body: {} }));
      if (stream === this.get().stream) this.#store.patch({ key, known: true, busy: false });
      return true;
    } catch (e) {
      if (stream === this.get().stream) this.#store.patch({ problem: asProblem(e), busy: false });
      return false;
    }
  }

  close(): void {
    this.#loading?.abort();
    this.#loading = null;
  }
}

function path(stream: string): string {
  return `streams/${encodeURIComponent(stream)}/key`;
}

function keyOf(answer: unknown): string {
  return string(fields(answer, 'answer'), 'key');
}
