/** Waiting that can be called off, and the delays between tries. */

import { later } from './later';

/** Resolves after ms milliseconds; rejects with the signal's reason when it is aborted first. */
export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      off();
      reject(signal?.reason);
    };
    const off = later(ms, () => {
      signal?.removeEventListener('abort', stop);
      resolve();
    });
    signal?.addEventListener('abort', stop, { once: true });
  });
}

/** The promise's outcome, or a rejection with the signal's reason if that comes first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      // Nobody will look at the promise any more; its failure must not surface as unhandled.
      promise.catch(() => undefined);
      return reject(signal.reason);
    }
    const stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', stop));
  });
}

/** A gate that many can wait at and one opens; it closes again behind them. */
export class Bell {
  #waiting = new Set<() => void>();

  ring(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const go of waiting) go();
  }

  heard(signal: AbortSignal): Promise<void> {
    let go = () => {};
    const rung = new Promise<void>((resolve) => (go = resolve));
    this.#waiting.add(go);
    return abortable(rung, signal).finally(() => this.#waiting.delete(go));
  }

  /** Resolves when the bell rings or after ms milliseconds, whichever is first. */
  async heardWithin(ms: number, signal: AbortSignal): Promise<void> {
    const first = new AbortController();
    const both = AbortSignal.any([signal, first.signal]);
    try {
      await Promise.race([this.heard(both), sleep(ms, both)]);
    } finally {
      first.abort();
    }
  }
}

/** Delays between tries: given steps (ms), the last of them over and over, each shortened at random by up to a
 *  half, so that a thousand clients of a server that restarts do not come back in one moment. */
export class Backoff {
  readonly #steps: readonly number[];
  #tries = 0;

  constructor(steps: readonly number[]) {
    this.#steps = steps;
  }

  get tries(): number {
    return this.#tries;
  }

  reset(): void {
    this.#tries = 0;
  }

  /** The next delay in ms, at least `least`. */
  next(least = 0): number {
    const full = this.#steps[Math.min(this.#tries, this.#steps.length - 1)] ?? 0;
    this.#tries++;
    return Math.max(least, full * (0.5 + Math.random() / 2));
  }
}
