/**
 * One WebSocket from hello to close: the opening, the pings and what they tell. Connection makes a new one
 * for each try.
 */

import type { ServerClock } from './clock';
import { ProtocolError } from './errors';
import type { Hail } from './hail';
import { later } from './later';
import { sleep } from './wait';
import { parseMessage, protocolVersion, type ServerMessage, type Welcome } from './wire';

export interface SocketEvents {
  welcome(m: Welcome): void;
  message(m: ServerMessage): void;
  /** Called once, with the server's word when it gave one. */
  closed(why: ProtocolError): void;
}

/** The welcome has to come within this time after the opening, ms. */
const welcomeWithin = 10_000;
const pingEvery = 15_000;
/** The first pings come quickly: the clock is wanted when the first frame is shown. */
const firstPings = [0, 400, 800];
const pongWithin = 10_000;
/** A pong that takes longer, ms, is doubted; a hail that takes longer says nothing. */
const doubted = { pong: 150, hail: 700 };
/** The least time (ms) from a doubt that was wrong to the next: a stream may be silent for long. */
const doubtsEvery = 10_000;
/** Close code 1012 (RFC 6455 registry): the server goes, and its sessions with it. */
const serviceRestart = 1012;
/** A goodbye ends the sessions; any other code says that the client comes back for them. */
const goodbye = 1000;
const comesBack = 4000;

export class Socket {
  // set at construction
  readonly #ws: WebSocket;
  readonly #clock: ServerClock;
  readonly #events: SocketEvents;
  // changed by events
  #timers = new Set<() => void>();
  #pongDue: (() => void) | undefined;
  /** When the pong is due, by performance.now(); Infinity when none is. */
  #pongBy = Infinity;
  #doubtsFrom = 0;
  #welcomed = false;
  #done = false;

  /** Opens within `openWithin` ms, or is closed. */
  constructor(url: string, token: string | undefined, openWithin: number, clock: ServerClock, events: SocketEvents) {
    this.#clock = clock;
    this.#events = events;
    this.#ws = new WebSocket(url);
    const silent = () => this.close(new ProtocolError('timeout', 'the server did not answer'));
    this.#ws.onopen = () => {
      opening();
      this.#after(welcomeWithin, () => void (this.#welcomed || silent()));
      this.send({ type: 'hello', version: protocolVersion, ...(token === undefined ? {} : { token }) });
    };
    this.#ws.onmessage = (e) => this.#take(e.data);
    this.#ws.onclose = (e) =>
      this.close(
        e.code === serviceRestart
          ? new ProtocolError('shutdown', 'the server restarts')
          : new ProtocolError('connection_lost', 'the connection to the server closed'),
      );
    const opening = this.#after(openWithin, silent);
  }

  /** Reports whether the message went out. */
  send(m: object): boolean {
    if (this.#ws.readyState !== WebSocket.OPEN) return false;
    this.#ws.send(JSON.stringify(m));
    return true;
  }

  /** Asks the server for a sign of life; closes when none comes within ms, or by when it is due anyway. */
  probe(within: number): void {
    const by = performance.now() + within;
    if (!this.#welcomed || by >= this.#pongBy) return;
    this.#pongDue?.();
    this.#pongBy = by;
    this.#pongDue = later(within, () => this.close(new ProtocolError('timeout', 'the server is silent')));
    this.send({ type: 'ping', t: performance.now() });
  }

  /** Whether the server answers to a hail and not to the ping before it: then this socket is of a network that is gone. */
  async outlived(hail: Hail): Promise<boolean> {
    if (performance.now() < this.#doubtsFrom) return false;
    this.#doubtsFrom = Infinity;
    const awaits = () => !this.#done && this.#pongBy < Infinity;
    await sleep(Math.max(doubted.pong, 2 * (this.#clock.roundTrip ?? 0)));
    const outlived = awaits() && (await hail.ask(doubted.hail)) === 'answered' && awaits();
    this.#doubtsFrom = awaits() ? 0 : performance.now() + doubtsEvery;
    return outlived;
  }

  /** `forGood`: the server is told that its sessions end; otherwise they are gone on with over another socket. */
  close(why: ProtocolError, forGood = false): void {
    if (this.#done) return;
    this.#done = true;
    for (const off of this.#timers) off();
    this.#pongDue?.();
    this.#ws.onopen = this.#ws.onmessage = this.#ws.onclose = null;
    this.#ws.close(forGood ? goodbye : comesBack);
    this.#events.closed(why);
  }

  #take(data: unknown): void {
    if (typeof data !== 'string') return;
    let m: ServerMessage | null;
    try {
      m = parseMessage(data);
    } catch (e) {
      // Without a welcome there is nothing to go on with; later, one bad message costs only itself.
      console.warn('heliograph: a message of the server breaks the protocol:', e);
      if (!this.#welcomed) this.close(new ProtocolError('bad_version', String(e)));
      return;
    }
    if (m) this.#dispatch(m);
  }

  #dispatch(m: ServerMessage): void {
    if (m.type === 'pong') {
      this.#pongDue?.();
      this.#pongBy = Infinity;
      this.#clock.sample(m.t, performance.now(), m.time);
    } else if (m.type === 'welcome') {
      this.#welcomed = true;
      this.#clock.roughly(m.time);
      for (const ms of firstPings) this.#after(ms, () => this.probe(pongWithin));
      this.#keepPinging();
      this.#events.welcome(m);
    } else if (m.type === 'error' && !this.#welcomed) {
      this.close(ProtocolError.from(m));
    } else {
      this.#events.message(m);
    }
  }

  #keepPinging(): void {
    this.#after(pingEvery, () => {
      this.probe(pongWithin);
      this.#keepPinging();
    });
  }

  #after(ms: number, fn: () => void): () => void {
    const off = later(ms, () => {
      this.#timers.delete(off);
      fn();
    });
    this.#timers.add(off);
    return off;
  }
}
