/**
 * One RTCPeerConnection and the one session on the wire that goes with it: offer, answer, ICE restart, end.
 * Does not try again: that is the keeper's.
 */

import type { Connection } from './connection';
import { ProtocolError, asProtocolError } from './errors';
import { wantStereo } from './stereo';
import type { Answer, Request } from './wire';

/** What makes a peer a publication or a viewing. */
export interface PeerPlan {
  prefix: 'p' | 'w';
  /** Adds the transceivers. */
  build(pc: RTCPeerConnection): void;
  /** The request that opens the session. */
  ask(id: string, sdp: string): Request;
}

/** A path that is interrupted this long (ms) gets an ICE restart; shorter breaks heal by themselves. */
const restartAfter = 3000;
/** A path has to be found within this time (ms). */
const connectWithin = 12_000;

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
  #timer: ReturnType<typeof setTimeout> | undefined;
  #answered = false;
  #connected = false;
  #restarting = false;
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
    if (!this.#connected) this.#expectPath();
    return answer;
  }

  /** Looks for a path anew with fresh ICE credentials, now. Does nothing while the path is good. */
  async restart(): Promise<void> {
    if (this.#connected || this.#restarting || !this.#answered || this.#connection.state !== 'open') return;
    this.#restarting = true;
    clearTimeout(this.#timer);
    try {
      await this.#negotiate((sdp) => ({ type: 'restart', id: this.id, sdp }), { iceRestart: true }, this.#abort.signal);
      if (!this.#connected) this.#expectPath();
    } catch (e) {
      this.#end(asProtocolError(e));
    } finally {
      this.#restarting = false;
    }
  }

  /** Ends the session from this side with a reason of the caller's. */
  finish(why: ProtocolError): void {
    this.#end(why);
  }

  /** Lets go of the session, and tells the server so if `tell`. The RTCPeerConnection stays open. */
  leave(tell: boolean): void {
    clearTimeout(this.#timer);
    this.#unlisten();
    this.#abort.abort();
    this.pc.onconnectionstatechange = null;
    if (tell) this.#connection.send({ type: 'stop', id: this.id });
  }

  async #negotiate(ask: (sdp: string) => Request, options: RTCOfferOptions, signal: AbortSignal): Promise<Answer> {
    const offer = await this.pc.createOffer(options);
    if (this.#plan.prefix === 'w' && offer.sdp) offer.sdp = wantStereo(offer.sdp);
    await this.pc.setLocalDescription(offer);
    // The server is ICE-lite and learns addresses from the checks, so the offer goes out without candidates.
    const answer = await this.#connection.request(ask(this.pc.localDescription?.sdp ?? ''), signal);
    if (answer.iceServers) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers: answer.iceServers });
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    return answer;
  }

  #expectPath(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(new ProtocolError('unreachable', 'no path for media was found')), connectWithin);
  }

  #changed(): void {
    const state = this.pc.connectionState;
    if (state === 'connected') {
      clearTimeout(this.#timer);
      this.#connected = true;
      this.onlink(true);
    } else if (state === 'disconnected') {
      this.#connected = false;
      this.onlink(false);
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => void this.restart(), restartAfter);
    } else if (state === 'failed') {
      this.#end(new ProtocolError(this.#connected ? 'failed' : 'unreachable', 'the path for media broke'));
    }
  }
}
