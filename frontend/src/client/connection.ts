/**
 * The one WebSocket of a page: it opens, stays open through lost networks and restarting servers, and
 * carries the requests of every viewing and publication. Knows no media.
 */

import { ServerClock } from './clock';
import { ProtocolError } from './errors';
import { Follows } from './follows';
import { Hail } from './hail';
import { later } from './later';
import { Requests } from './requests';
import { Socket } from './socket';
import { Backoff, Bell, abortable } from './wait';
import type { Answer, DataMessage, Notice, Request, ServerMessage, StreamInfo, Welcome, WireUser } from './wire';

/** 'waiting': between two tries. 'closed': not started, ended by close(), or refused for good (`refusal`). */
export type ConnectionState = 'connecting' | 'open' | 'waiting' | 'closed';

export interface ConnectionOptions {
  /** Address of the WebSocket; by default /ws of the page's own origin. */
  url?: string;
  /** A token or stream key for the whole connection. */
  token?: string;
}

/** What a session hears besides the answers to its requests. */
export interface SessionListener {
  /** The server ended the session. */
  stopped(why: ProtocolError): void;
  /** A notice of the session failed; the session goes on. */
  failed(why: ProtocolError): void;
}

/** Refusals of the hello that trying again does not cure. */
const final = new Set(['unauthenticated', 'denied', 'expired', 'bad_request', 'bad_version']);

/** Open for this long (ms) means that opening has worked. */
const settled = 5000;

/**
 * Waits between the beginnings of two tries, ms. For the minute that the server keeps sessions they are short, so that
 * a network that comes back is used within two seconds; whoever is away for longer begins anew anyway.
 */
const steps = [0, 250, 500, 1000, 1000, ...Array<number>(28).fill(2000), 5000, 10_000];

/** How long a socket may take to open, ms: on the first try, and when opening was quick before. */
const patience = { most: 10_000, least: 3000 };
/** The same for the answer to a hail. */
const hailPatience = { most: 10_000, least: 1500 };
/** Every so many tries begin without a hail: it may hang where a socket does not, on an HTTP/2 connection that a proxy keeps. */
const unhailedEvery = 10;
/** The least time for a sign of life, ms: a lost network is to be found out soon. */
const probeWithin = 700;
/** A try that takes longer, ms, hangs; it is begun anew when the network changes. */
const hangs = 500;

export class Connection {
  // set at construction
  readonly #options: ConnectionOptions;
  readonly #clock = new ServerClock();
  readonly #hail = new Hail(() => this.#url);
  readonly #follows = new Follows((m) => void this.send(m));
  readonly #requests = new Requests();
  // changed by events
  #socket: Socket | null = null;
  #retry: (() => void) | undefined;
  #backoff = new Backoff(steps);
  #triedAt = 0;
  /** What was there before hung, and was not ended by the other side: a socket that is opened now may hang as well. */
  #unheard = false;
  #openTook: number | null = null;
  #leastDelay = 0;
  #openSince = 0;
  #downSince = 0;
  #state: ConnectionState = 'closed';
  #welcome: Welcome | null = null;
  #refusal: ProtocolError | null = null;
  #iceServers: RTCIceServer[] | null = null;
  #lastId = 0;
  // who listens
  readonly #sessions = new Map<string, SessionListener>();
  readonly #watchers = new Set<(s: ConnectionState) => void>();
  readonly #hearers = new Set<(m: DataMessage) => void>();
  readonly #opened = new Bell();
  readonly #iceCame = new Bell();

  constructor(options: ConnectionOptions = {}) {
    this.#options = options;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** For how long (ms) every try to open it has failed; 0 while it is open, closed, or on its first try. */
  get failingFor(): number {
    const failing = (this.#state === 'connecting' || this.#state === 'waiting') && this.#backoff.tries > 0;
    return failing ? performance.now() - this.#downSince : 0;
  }

  /** Who the server takes this connection for; null for a visitor. */
  get user(): WireUser | null {
    return this.#welcome?.user ?? null;
  }

  /** Why the server refused the hello for good; null otherwise. */
  get refusal(): ProtocolError | null {
    return this.#refusal;
  }

  /** The server's time now, ms since 1970; the local clock's guess until the welcome. */
  serverNow(): number {
    return this.#welcome ? this.#clock.now() : Date.now();
  }

  /** Calls fn on every change of the state, until the returned function is called. */
  subscribe(fn: (s: ConnectionState) => void): () => void {
    this.#watchers.add(fn);
    fn(this.#state);
    return () => this.#watchers.delete(fn);
  }

  /** Opens the connection unless it is open or trying; it then comes back by itself until close(). */
  start(): void {
    if (this.#state !== 'closed') return;
    this.#refusal = null;
    this.#unheard = false;
    this.#backoff.reset();
    this.#connect();
  }

  close(): void {
    this.#retry?.();
    this.#hail.stop();
    this.#set('closed');
    this.#socket?.close(new ProtocolError('connection_lost', 'the connection was closed'), true);
  }

  /** Opens it anew, so that the server sees a sign-in or sign-out. Sessions begin anew too: they are somebody else's now. */
  reconnect(): void {
    for (const s of [...this.#sessions.values()]) s.stopped(new ProtocolError('renewed', 'opened anew'));
    this.close();
    this.start();
  }

  /** The network may have changed: ends a wait at once, begins a try that hangs anew, and tests an open socket. */
  hurry(): void {
    if (this.#state === 'connecting' && performance.now() - this.#triedAt > hangs) {
      const why = new ProtocolError('connection_lost', 'the network changed');
      if (this.#socket) this.#socket.close(why);
      else this.#closed(why);
    }
    this.#endWait();
    this.#ping();
  }

  /** Media do not come: asks for a sign of life, and gives an open socket up without one, within a second on a usual network. */
  probe(): void {
    this.#ping();
    void this.#leaveIfOutlived();
  }

  /** Resolves when the connection is open; rejects when it is refused for good or the signal is aborted. */
  async whenOpen(signal: AbortSignal): Promise<void> {
    while (this.#state !== 'open') {
      if (this.#refusal) throw this.#refusal;
      await this.#opened.heard(signal);
    }
  }

  /** The ICE servers for this connection. The server sends them right behind the welcome. */
  async iceServers(signal: AbortSignal): Promise<RTCIceServer[]> {
    if (!this.#iceServers) await this.#iceCame.heardWithin(250, signal);
    return this.#iceServers ?? [];
  }

  /** Sends a message that has no answer; reports whether it went out. */
  send(m: Notice): boolean {
    return this.#state === 'open' && (this.#socket?.send({ ch: 'rtc', ...m }) ?? false);
  }

  /** Sends a request. Rejects with a ProtocolError, or with the signal's reason. */
  request(m: Request, signal?: AbortSignal): Promise<Answer> {
    const answer = this.#requests.wait(m.id, signal);
    const sent = this.#state === 'open' && this.#socket?.send({ ch: 'rtc', ...m });
    if (!sent) this.#requests.fail(m.id, new ProtocolError('connection_lost', 'the connection is not open'));
    return signal ? abortable(answer, signal) : answer;
  }

  /** Hears a stream's state now and on every change, across reconnects. Returns the end of it. */
  follow(stream: string, fn: (s: StreamInfo) => void, token?: string): () => void {
    return this.#follows.add(stream, fn, token);
  }

  /** Hears the data messages of a stream that is watched on this connection. Returns the end of it. */
  hearData(stream: string, fn: (m: DataMessage) => void): () => void {
    const own = (m: DataMessage) => void (m.stream === stream && fn(m));
    this.#hearers.add(own);
    return () => this.#hearers.delete(own);
  }

  /** Hears what the server says about a session. Returns the end of it. */
  listen(id: string, listener: SessionListener): () => void {
    this.#sessions.set(id, listener);
    return () => this.#sessions.delete(id);
  }

  /** A fresh id for a session. */
  nextId(prefix: 'p' | 'w'): string {
    return `${prefix}${++this.#lastId}`;
  }

  get #url(): string {
    return this.#options.url ?? socketAddress(location.origin);
  }

  #ping(): void {
    if (this.#state === 'open') this.#socket?.probe(Math.max(probeWithin, 4 * (this.#clock.roundTrip ?? probeWithin)));
  }

  async #leaveIfOutlived(): Promise<void> {
    const socket = this.#socket;
    if (this.#state !== 'open' || !socket || !(await socket.outlived(this.#hail))) return;
    socket.close(new ProtocolError('connection_lost', 'the network changed'));
    this.#endWait();
  }

  #endWait(): void {
    if (this.#state !== 'waiting') return;
    this.#retry?.();
    this.#connect();
  }

  #connect(): void {
    this.#iceServers = null;
    this.#set('connecting');
    this.#triedAt = performance.now();
    if ((this.#unheard || offline()) && this.#backoff.tries % unhailedEvery !== 0) void this.#hailFirst();
    else this.#open();
  }

  async #hailFirst(): Promise<void> {
    const answer = await this.#hail.ask(this.#patience(hailPatience));
    if (answer === null) return;
    // A page or a filter may forbid hails; and where the network is what refuses, a socket fails at once too and hangs nowhere.
    if (answer === 'answered' || (answer === 'refused' && !offline())) this.#open();
    else this.#closed(new ProtocolError('timeout', 'the server cannot be reached'));
  }

  #open(): void {
    const began = performance.now();
    this.#socket = new Socket(this.#url, this.#options.token, this.#patience(patience), this.#clock, {
      welcome: (m) => {
        this.#openTook = performance.now() - began;
        this.#opening(m);
      },
      message: (m) => this.#take(m),
      closed: (why) => this.#closed(why),
    });
  }

  // A try that was begun while the network was away hangs until its packets are sent again, which takes ever longer.
  // So it is given up soon, unless this network is slow or has been away for long.
  #patience(of: { most: number; least: number }): number {
    if (this.#openTook === null || this.#backoff.tries >= steps.length) return of.most;
    return Math.min(of.most, Math.max(of.least, 3 * this.#openTook));
  }

  #opening(m: Welcome): void {
    this.#welcome = m;
    this.#leastDelay = 0;
    this.#openSince = performance.now();
    this.#unheard = false;
    this.#set('open');
    this.#follows.renew();
    this.#opened.ring();
  }

  #take(m: ServerMessage): void {
    if (m.type === 'answer') this.#requests.answer(m);
    else if (m.type === 'stream') this.#follows.deliver(m.stream);
    else if (m.type === 'data') for (const fn of [...this.#hearers]) fn(m);
    else if (m.type === 'stopped') this.#sessions.get(m.id)?.stopped(ProtocolError.from(m));
    else if (m.type === 'ice') {
      this.#iceServers = m.iceServers;
      this.#iceCame.ring();
    } else if (m.type === 'error') {
      if (m.code === 'shutdown') this.#leastDelay = (m.retryAfter ?? 0) * 1000;
      if (m.id === undefined) return;
      const why = ProtocolError.from(m);
      if (!this.#requests.fail(m.id, why)) this.#sessions.get(m.id)?.failed(why);
    }
  }

  #closed(why: ProtocolError): void {
    this.#socket = null;
    this.#hail.stop();
    const wanted = this.#state !== 'closed';
    let wait = Infinity;
    // A try that hung has waited already.
    const hung = this.#state === 'connecting' ? performance.now() - this.#triedAt : 0;
    // A server that refuses is there: asking it twice a try would only bring it more of what it refuses.
    this.#unheard = hung > hangs || why.code === 'timeout';
    // A server that welcomes and then closes at once must not be asked twice a second.
    if (this.#state === 'open' && performance.now() - this.#openSince > settled) this.#backoff.reset();
    if (wanted && final.has(why.code)) {
      this.#refusal = why;
      this.#set('closed');
      this.#opened.ring();
    } else if (wanted) {
      this.#set('waiting');
      const least = Math.max(this.#leastDelay, (why.retryAfter ?? 0) * 1000);
      wait = Math.max(least, this.#backoff.next() - hung);
      this.#retry = later(wait, () => this.#connect());
    }
    this.#requests.failAll(new ProtocolError('connection_lost', why.message));
    // Otherwise sessions outlive their socket; those of a server that goes do not, and need not find out by silence.
    if (why.code === 'shutdown') for (const s of [...this.#sessions.values()]) s.stopped(why);
    // A timer of no time takes a second in a hidden tab.
    if (wait <= 0 && why.code === 'timeout') this.#endWait();
  }

  #set(state: ConnectionState): void {
    if (this.#state === state) return;
    if (this.#state === 'open' || this.#state === 'closed') this.#downSince = performance.now();
    this.#state = state;
    for (const fn of [...this.#watchers]) fn(state);
  }
}

/** Whether the browser knows that it has no network. Firefox makes sockets wait, the longer the more of them have failed. */
function offline(): boolean {
  return globalThis.navigator?.onLine === false;
}

/** The address of the WebSocket of a server at an http(s) origin. */
export function socketAddress(origin: string): string {
  return origin.replace(/^http/, 'ws').replace(/\/$/, '') + '/ws';
}
