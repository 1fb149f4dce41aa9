/**
 * One RTCPeerConnection and the one session on the wire that goes with it: offer, answer, end, and going on over
 * another path or another socket by ICE restarts. Does not try again when it has ended: that is the keeper's.
 */

import type { Connection } from './connection';
import { ProtocolError, asProtocolError } from './errors';
import { given } from './fields';
import { later } from './later';
import { wantStereo } from './stereo';
import { sleep } from './wait';
import type { Answer, Request } from './wire';

/** What makes a peer a publication or a viewing. */
export interface PeerPlan {
  prefix: 'p' | 'w';
  /** What the session is allowed by, where that is not the connection's. */
  token: string | undefined;
  /** Adds the transceivers. */
  build(pc: RTCPeerConnection): void;
  /** The request that opens the session. */
  ask(id: string, sdp: string): Request;
}

/** A path has to be found within this time (ms), for as long as the server can be asked for another one. */
const connectWithin = 12_000;
/** The least time (ms) from one restart to the next. */
const restartEvery = 1000;

export class Peer {
  // set at construction
  readonly id: string;
  readonly pc: RTCPeerConnection;
  /** Resolves with the reason when the session is over; never rejects. */
  readonly ended: Promise<ProtocolError>;
  readonly #connection: Connection;
  readonly #plan: PeerPlan;
  readonly #unlisten: () => void;
  readonly #abort = new AbortController();
  #end: (why: ProtocolError) => void = () => {};
  // changed by events
  #givesUp: ReturnType<typeof setTimeout> | undefined;
  #again: (() => void) | undefined;
  #session: string | undefined;
  #answered = false;
  #connected = false;
  #wasConnected = false;
  #restarting = false;
  #restarted = -Infinity;
  /** The name (ufrag) of the search whose candidates come, and of the last that had found all of the networks it knew. */
  #gathering: string | null = null;
  #gathered: string | null = null;
  /** Called when media can flow, and when it cannot for now. */
  onlink: (up: boolean) => void = () => {};

  constructor(connection: Connection, plan: PeerPlan, iceServers: RTCIceServer[]) {
    this.#connection = connection;
    this.#plan = plan;
    this.id = connection.nextId(plan.prefix);
    this.ended = new Promise((resolve) => (this.#end = resolve));
    // One transport for all media: the server has one port.
    this.pc = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.pc.onconnectionstatechange = () => this.#changed();
    this.pc.onicecandidate = (e) => this.#gathers(e.candidate);
    this.#unlisten = connection.listen(this.id, {
      stopped: (why) => this.#end(why),
      failed: (why) => console.warn(`heliograph: ${this.id}: ${why.code}: ${why.message}`),
    });
  }

  /** Whether the server has taken the session. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Opens the session. Rejects with a ProtocolError or the signal's reason. */
  async open(signal: AbortSignal): Promise<Answer> {
    this.#plan.build(this.pc);
    const answer = await this.#negotiate((sdp) => this.#plan.ask(this.id, sdp), {}, signal);
    this.#answered = true;
    this.#session = answer.session;
    this.#restarted = performance.now();
    if (!this.#connected) this.#expectPath();
    return answer;
  }

  /** The network may have changed: looks for another path at once, unless this one is good. */
  hurry(): void {
    if (this.#answered && !this.#connected) this.#restartSoon();
  }

  /** A new socket is open, which knows nothing of this session: takes it along, or ends it to be opened anew. */
  reopened(): void {
    this.#stopTimers();
    if (this.#answered && this.#session !== undefined) void this.#restart();
    else this.finish(new ProtocolError('renewed', 'opened anew'));
  }

  /** Ends the session from this side with a reason of the caller's. */
  finish(why: ProtocolError): void {
    this.#end(why);
  }

  /** Lets go of the session, and tells the server so if `tell`. The RTCPeerConnection stays open. */
  leave(tell: boolean): void {
    this.#stopTimers();
    this.#unlisten();
    this.#abort.abort();
    this.pc.onconnectionstatechange = this.pc.onicecandidate = null;
    if (tell) this.#connection.send({ type: 'stop', id: this.id });
  }

  /** Looks for a path anew with fresh ICE credentials. Media go on over the old one until another is found. */
  async #restart(): Promise<void> {
    if (this.#restarting || !this.#answered || this.#connection.state !== 'open') return;
    this.#restarting = true;
    this.#restarted = performance.now();
    const { signal } = this.#abort;
    try {
      const servers = await this.#connection.iceServers(signal);
      if (servers.length > 0) this.#useServers(servers);
      await this.#negotiate((sdp) => this.#askAgain(sdp), { iceRestart: true }, signal);
      if (!this.#connected) this.#expectPath();
    } catch (e) {
      if (!signal.aborted) void this.#refused(asProtocolError(e));
    } finally {
      this.#restarting = false;
    }
  }

  #askAgain(sdp: string): Request {
    const { token } = this.#plan;
    return { type: 'restart', id: this.id, sdp, ...given('session', this.#session), ...given('token', token) };
  }

  async #refused(why: ProtocolError): Promise<void> {
    console.warn(`heliograph: ${this.id} was not restarted: ${why.code}: ${why.message}`);
    // The next socket brings the next try.
    if (why.code === 'connection_lost') return;
    if (why.code === 'throttled') {
      await sleep((why.retryAfter ?? 1) * 1000, this.#abort.signal).catch(() => undefined);
      return void this.#restart();
    }
    // Whatever else the server has against going on, a new session has a reason of its own if it is refused as well.
    this.#end(new ProtocolError('renewed', why.message));
  }

  #useServers(iceServers: RTCIceServer[]): void {
    this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  async #negotiate(ask: (sdp: string) => Request, options: RTCOfferOptions, signal: AbortSignal): Promise<Answer> {
    const offer = await this.pc.createOffer(options);
    if (this.#plan.prefix === 'w' && offer.sdp) offer.sdp = wantStereo(offer.sdp);
    await this.pc.setLocalDescription(offer);
    // The server is ICE-lite and learns addresses from the checks, so the offer goes out without candidates, and the
    // browser tries UDP, TCP and the relays at the same time, each as soon as it is there.
    const answer = await this.#connection.request(ask(this.pc.localDescription?.sdp ?? ''), signal);
    if (answer.iceServers) this.#useServers(answer.iceServers);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    return answer;
  }

  // A candidate that comes when all were there is of another network. Chromium knows of that two seconds late, and would keep
  // to the path of the old one for longer; what was tried before then was in vain.
  #gathers(candidate: RTCIceCandidate | null): void {
    if (candidate === null) this.#gathered = this.#gathering;
    else {
      this.#gathering = candidate.usernameFragment;
      // The end of one search may be told after the next has begun.
      if (this.#gathering !== null && this.#gathering === this.#gathered) void this.#restart();
    }
  }

  #expectPath(): void {
    this.#givesUp ??= setTimeout(() => {
      this.#givesUp = undefined;
      // Without a socket the whole network is away, and its return begins the search anew.
      if (this.#connection.state === 'open') this.#end(new ProtocolError('unreachable', 'no path for media was found'));
    }, connectWithin);
  }

  #stopTimers(): void {
    clearTimeout(this.#givesUp);
    this.#again?.();
    this.#givesUp = this.#again = undefined;
  }

  #changed(): void {
    const state = this.pc.connectionState;
    if (state === 'connected') {
      this.#stopTimers();
      this.#connected = this.#wasConnected = true;
      this.#restarted = -Infinity;
      this.onlink(true);
    } else if (state === 'disconnected' || state === 'failed') {
      this.#connected = false;
      if (this.#wasConnected) {
        this.onlink(false);
        this.#mend();
      } else if (state === 'failed') {
        this.#end(new ProtocolError('unreachable', 'no path for media was found'));
      }
    }
  }

  // The socket may be as dead as the path; then the next one brings the restart.
  #mend(): void {
    // No other path mends a broken encryption. Firefox's breaks with the path, after half a minute without one: it finds
    // another path then and receives over it, but never sends media again.
    const dtls = this.pc.getTransceivers()[0]?.sender.transport?.state;
    if (dtls === 'failed' || dtls === 'closed') return this.#end(new ProtocolError('failed', 'the encryption broke'));
    this.#connection.probe();
    this.#restartSoon();
  }

  // While one restart takes effect the browser may still report the failure before it.
  #restartSoon(): void {
    const wait = this.#restarted + restartEvery - performance.now();
    if (wait <= 0) void this.#restart();
    else this.#again ??= later(wait, () => {
      this.#again = undefined;
      const state = this.pc.connectionState;
      if (state === 'failed' || state === 'disconnected') void this.#restart();
    });
  }
}
