/** The state of one store: kept, changed in parts, told to whoever subscribes. */

import type { Readable } from './types';

export class Store<T extends object> implements Readable<T> {
  readonly #subscribers = new Set<(state: T) => void>();
  #state: T;

  constructor(initial: T) {
    this.#state = initial;
  }

  get(): T {
    return this.#state;
  }

  subscribe(fn: (state: T) => void): () => void {
    const own = (state: T) => fn(state);
    this.#subscribers.add(own);
    own(this.#state);
    return () => this.#subscribers.delete(own);
  }

  /** Changes some fields; tells nobody when none of them differs. */
  patch(part: Partial<T>): void {
    const keys = Object.keys(part) as (keyof T)[];
    if (keys.every((k) => Object.is(this.#state[k], part[k]))) return;
    this.#state = { ...this.#state, ...part };
    for (const fn of [...this.#subscribers]) fn(this.#state);
  }
}

/** The old value when the new one says the same, so that nobody is told of a change that is none. */
export function same<T>(old: T, fresh: T): T {
  return JSON.stringify(old) === JSON.stringify(fresh) ? old : fresh;
}
