/**
 * Asking over HTTP whether the server is in reach. Where it is not, an HTTP request can be called off together with its
 * connection. A WebSocket cannot in Firefox: its connection goes on being tried, ever more seldom, and the sixth of them
 * keeps out every later one.
 */

import { later } from './later';

/** 'silent': none came in time. 'refused': the browser or something near it did not let the request out. */
export type HailAnswer = 'answered' | 'silent' | 'refused';

/** What fails sooner than this (ms) has not been on its way. */
const atOnce = 100;

export class Hail {
  // set at construction
  readonly #socket: () => string;
  // changed by calls
  #present: AbortController | null = null;

  /** Hails the server whose WebSocket has the address that `socket` returns. */
  constructor(socket: () => string) {
    this.#socket = socket;
  }

  /** What the server answers within ms; null when the hail was called off, by stop() or by another. */
  async ask(within: number): Promise<HailAnswer | null> {
    this.stop();
    const own = (this.#present = new AbortController());
    const answer = await hail(hailAddress(this.#socket()), within, own.signal);
    return own.signal.aborted ? null : answer;
  }

  stop(): void {
    this.#present?.abort();
  }
}

/** What answers everybody, beside the WebSocket. */
function hailAddress(socket: string): string {
  return new URL('healthz', socket.replace(/^ws/, 'http')).href;
}

/** Never rejects. */
async function hail(url: string, within: number, signal: AbortSignal): Promise<HailAnswer> {
  const began = performance.now();
  const late = new AbortController();
  const off = later(within, () => late.abort());
  try {
    const { status } = await fetch(url, {
      method: 'HEAD',
      mode: 'no-cors', // the answer is not read
      cache: 'no-store',
      // Browsers do not mix connections for requests with and without cookies, and nothing else of ours is without: one
      // that was left over from before the network changed would hang.
      credentials: 'omit',
      signal: AbortSignal.any([signal, late.signal]),
    });
    // A proxy says by 5xx that it has no server.
    return status < 500 ? 'answered' : 'silent';
  } catch {
    return !late.signal.aborted && performance.now() - began < atOnce ? 'refused' : 'silent';
  } finally {
    off();
  }
}
