/** The requests that wait for their answer, by the id of their session. Knows no socket. */

import { ProtocolError } from './errors';
import type { Answer } from './wire';

interface Waiting {
  resolve: (a: Answer) => void;
  reject: (e: unknown) => void;
}

/** How long an answer may take: the server answers in milliseconds, so a silent 10 s is a lost message. */
const answerWithin = 10_000;

export class Requests {
  readonly #waiting = new Map<string, Waiting>();

  /** Waits for the answer to the request with this id; there is at most one per id. */
  wait(id: string, signal?: AbortSignal): Promise<Answer> {
    return new Promise<Answer>((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => this.fail(id, signal?.reason);
      const timer = setTimeout(() => this.fail(id, new ProtocolError('timeout', 'the server did not answer')), answerWithin);
      signal?.addEventListener('abort', abort, { once: true });
      const done = () => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
      };
      this.#waiting.set(id, {
        resolve: (a) => (done(), resolve(a)),
        reject: (e) => (done(), reject(e)),
      });
    });
  }

  answer(a: Answer): void {
    this.#take(a.id)?.resolve(a);
  }

  /** Reports whether a request was waiting under this id. */
  fail(id: string, error: unknown): boolean {
    const w = this.#take(id);
    w?.reject(error);
    return w !== undefined;
  }

  failAll(error: unknown): void {
    for (const id of [...this.#waiting.keys()]) this.fail(id, error);
  }

  #take(id: string): Waiting | undefined {
    const w = this.#waiting.get(id);
    this.#waiting.delete(id);
    return w;
  }
}
