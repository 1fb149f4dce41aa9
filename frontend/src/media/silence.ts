/**
 * Finds out that the server is not heard any more, sooner than the browser tells: that waits for some of the path's own
 * checks to fail. Knows reports, no connection.
 */

import { Deltas, entries, num } from './report';

/** After about a half second (ms) of silence the network is doubted, and again about every two. */
const doubtsAfter = 400;
const doubtsEvery = 1900;

export class Silence {
  #deltas = new Deltas();
  /** When the next doubt is due, by performance.now(); null before the first report. */
  #due: number | null = null;

  /** Begins anew: another connection counts anew. */
  reset(): void {
    this.#deltas = new Deltas();
    this.#due = null;
  }

  /** Takes a report, and answers whether now is a time to ask the server for a sign of life. */
  doubts(report: RTCStatsReport): boolean {
    const now = performance.now();
    const came = this.#deltas.of('received', received(report)) > 0;
    if (came || this.#due === null) this.#due = now + doubtsAfter;
    if (now < this.#due) return false;
    this.#due = now + doubtsEvery;
    return true;
  }
}

/** Bytes that have come from the server, of whatever kind. */
function received(report: RTCStatsReport): number {
  const all = entries(report);
  // Firefox has transports that count nothing.
  const counted = all.filter((s) => s.type === 'transport' && s.bytesReceived !== undefined);
  const from = counted.length > 0 ? counted : all.filter((s) => s.type === 'candidate-pair');
  return from.reduce((sum, s) => sum + num(s, 'bytesReceived'), 0);
}
