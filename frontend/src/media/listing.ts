/** A list on the server that this page shows and changes: fetched again and again while it is seen, and after every change. */

import { poll } from './poll';
import { asProblem, rest } from './rest';
import { same, Store } from './store';
import type { Problem, Readable } from './types';

export interface ListState<T> {
  /** null until the first answer, and where the server does not offer it. */
  list: T[] | null;
  /** Why the last fetch failed; the list is then the one before. */
  problem: Problem | null;
}

export class Listing<T> implements Readable<ListState<T>> {
  // set at construction
  readonly #path: string;
  readonly #parse: (answer: unknown) => T[];
  readonly #every: number;
  readonly #store = new Store<ListState<T>>({ list: null, problem: null });
  // changed while it runs
  #running: AbortController | null = null;
  /** Counts the changes: an answer that was asked for before one is not shown after it. */
  #changes = 0;

  /** `every`: ms between two fetches. */
  constructor(path: string, every: number, parse: (answer: unknown) => T[]) {
    this.#path = path;
    this.#every = every;
    this.#parse = parse;
  }

  subscribe(fn: (state: ListState<T>) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): ListState<T> {
    return this.#store.get();
  }

  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    void poll(this.#every, (signal) => this.#fetch(signal), this.#running.signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
  }

  /** Asks for a change and then for the list as it is now. Throws a Problem. */
  async change(method: string, path: string, body?: object): Promise<unknown> {
    this.#changes++;
    const answer = await rest(method, path, body ? { body } : {});
    this.#changes++;
    if (this.#running) await this.#fetch(this.#running.signal).catch(() => undefined);
    return answer;
  }

  async #fetch(signal: AbortSignal): Promise<void> {
    const asked = this.#changes;
    try {
      const list = this.#parse(await rest('GET', this.#path, { signal }));
      if (asked === this.#changes) this.#store.patch({ list: same(this.get().list, list), problem: null });
    } catch (e) {
      signal.throwIfAborted();
      this.#store.patch({ problem: same(this.get().problem, asProblem(e)) });
    }
  }
}
