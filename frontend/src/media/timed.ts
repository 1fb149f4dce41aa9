/** Data messages held until their moment of the stream is on the screen. Knows no element and no socket. */

import type { DataMessage } from '../client/wire';

/** More than these are not held: the oldest goes out early, so that none is lost. */
const most = 64;
/** Ticks of the video clock (90 kHz) in 30 s: numbers further apart are of different sessions. */
const apart = 30 * 90_000;
/** ms after its moment at which a message goes out without its picture: hidden and paused pages show none. */
const patience = 500;

export class TimedMessages {
  #held: DataMessage[] = [];
  #shown: number | null = null;
  /** Called with each message in its time. */
  onmessage: (m: DataMessage) => void = () => {};

  add(m: DataMessage): void {
    this.#held.push(m);
    while (this.#held.length > most) this.#release(0);
    if (this.#shown !== null) this.frame(this.#shown);
  }

  /** A picture with this RTP timestamp is on the screen. */
  frame(rtp: number): void {
    this.#shown = rtp;
    this.#releaseAll((m) => m.rtp !== undefined && reached(rtp, m.rtp));
  }

  /** What is heard or seen now is of this time by the server's clock (ms). */
  moment(time: number): void {
    this.#releaseAll((m) => time >= m.time + (m.rtp === undefined || this.#shown === null ? 0 : patience));
  }

  /** Another session: its pictures are numbered anew. */
  renumber(): void {
    this.#shown = null;
  }

  /** Forgets what is held. */
  clear(): void {
    this.#held = [];
    this.#shown = null;
  }

  #releaseAll(due: (m: DataMessage) => boolean): void {
    for (let i = 0; i < this.#held.length; ) {
      if (due(this.#held[i] as DataMessage)) this.#release(i);
      else i++;
    }
  }

  #release(i: number): void {
    const [m] = this.#held.splice(i, 1);
    if (m) this.onmessage(m);
  }
}

/** RTP timestamps are 32 bits and wrap after half a day. */
function reached(shown: number, wanted: number): boolean {
  const ahead = (shown - wanted) | 0;
  return ahead >= 0 && ahead < apart;
}
