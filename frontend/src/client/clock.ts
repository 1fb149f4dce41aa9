/** The server's clock, learned from pings. Local times are performance.now(): no step of the local clock moves it. */

interface Sample {
  /** Server time minus local time, ms. */
  offset: number;
  roundTrip: number;
}

/** How many samples are looked at: two minutes of pings, so that drift is followed. */
const keep = 8;

export class ServerClock {
  #samples: Sample[] = [];
  #rough = 0;

  /** Takes the time of a message without a known round trip: good to half of one. */
  roughly(serverTime: number): void {
    this.#rough = serverTime - performance.now();
    this.#samples = [];
  }

  /** Takes a pong: sent and received are local times, ms. */
  sample(sent: number, received: number, serverTime: number): void {
    const roundTrip = received - sent;
    if (roundTrip < 0) return;
    this.#samples.push({ offset: serverTime - (sent + roundTrip / 2), roundTrip });
    if (this.#samples.length > keep) this.#samples.shift();
  }

  /** The server's time now, ms since 1970. The sample with the shortest round trip is the truest. */
  now(): number {
    let best: Sample | undefined;
    for (const s of this.#samples) if (!best || s.roundTrip <= best.roundTrip) best = s;
    return performance.now() + (best ? best.offset : this.#rough);
  }

  /** The shortest round trip of late in ms, null before the first pong. */
  get roundTrip(): number | null {
    return this.#samples.length ? Math.min(...this.#samples.map((s) => s.roundTrip)) : null;
  }
}
