/**
 * Finds out that the server is not heard any more, sooner than the browser tells: that waits for some of the path's own
 * checks to fail. Knows reports, no connection.
 */

import { Deltas, entries, num } from './report';

/** How often (ms) reports are to be looked at. */
export const listenEvery = 500;
/** After this many silent reports the network is doubted, and again every so many. */
const doubtsAfter = 2;
const doubtsEvery = 4;

export class Silence {
  #deltas = new Deltas();
  #reports = 0;

  /** Begins anew: another connection counts anew. */
  reset(): void {
    this.#deltas = new Deltas();
    this.#reports = 0;
  }

  /** Takes a report, and answers whether now is a time to ask the server for a sign of life. */
  doubts(report: RTCStatsReport): boolean {
    this.#reports = this.#deltas.of('received', received(report)) > 0 ? 0 : this.#reports + 1;
    return this.#reports % doubtsEvery === doubtsAfter;
  }
}

/** Bytes that have come from the server, of whatever kind. */
function received(report: RTCStatsReport): number {
  const all = entries(report);
  const counted = all.filter((s) => s.type === 'transport');
  const from = counted.length > 0 ? counted : all.filter((s) => s.type === 'candidate-pair');
  return from.reduce((sum, s) => sum + num(s, 'bytesReceived'), 0);
}
