/**
 * Keeps one session alive: opens a peer, and another when it ends, until it is told to stop. What cannot be
 * cured by trying again is parked until somebody wakes it.
 */

import type { Connection, ConnectionState } from './connection';
import { ProtocolError, asProtocolError } from './errors';
import { Peer, type PeerPlan } from './peer';
import { Backoff, Bell, abortable } from './wait';
import type { Answer } from './wire';

/**
 * 'idle': not started or closed. 'connecting': never up so far. 'up': media can flow. 'interrupted': was up
 * and will be again. 'parked': waits to be woken, `error` says why.
 */
export type Link = 'idle' | 'connecting' | 'up' | 'interrupted' | 'parked';

export interface KeeperPlan extends PeerPlan {
  answered(a: Answer): void;
  /** Whether to wait to be woken after this end, rather than try again. */
  parks(why: ProtocolError): boolean;
  /** Whether the server is told that a session is replaced by the next one. */
  tells(old: Peer): boolean;
  /** Takes an RTCPeerConnection that is no longer needed and closes it, now or when its successor is there. */
  retire(pc: RTCPeerConnection): void;
  /** Called after every change of link or error. */
  changed(): void;
}

export class Keeper {
  // set at construction
  readonly #connection: Connection;
  readonly #plan: KeeperPlan;
  readonly #wake = new Bell();
  readonly #backoff = new Backoff([250, 500, 1000, 2000, 4000, 8000, 10_000]);
  // owned by run
  #peer: Peer | null = null;
  #link: Link = 'idle';
  #error: ProtocolError | null = null;
  #wasUp = false;

  constructor(connection: Connection, plan: KeeperPlan) {
    this.#connection = connection;
    this.#plan = plan;
  }

  get link(): Link {
    return this.#link;
  }

  /** The reason of the last end; null once media can flow again. */
  get error(): ProtocolError | null {
    return this.#error;
  }

  get peer(): Peer | null {
    return this.#peer;
  }

  /** Keeps the session until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    this.#set('connecting', null);
    let known: ConnectionState = this.#connection.state;
    const unsubscribe = this.#connection.subscribe((s) => {
      if (s === 'open' && known !== 'open') this.#reopened();
      known = s;
    });
    try {
      while (!signal.aborted) await this.#round(signal);
    } catch (e) {
      if (!signal.aborted) throw e;
    } finally {
      unsubscribe();
      this.#set('idle', null);
    }
  }

  /** Ends a parking or a wait between tries. */
  wake(): void {
    this.#wake.ring();
  }

  /** Opens a new session in place of the present one, at once. */
  renew(): void {
    if (this.#peer) this.#peer.finish(new ProtocolError('renewed', 'opened anew'));
    else this.wake();
  }

  /** The network changed: looks for a path at once rather than after the usual patience. */
  hurry(): void {
    this.#peer?.hurry();
    if (this.#link !== 'parked') this.wake();
  }

  #reopened(): void {
    if (this.#peer) this.#peer.reopened();
    else this.wake();
  }

  async #round(signal: AbortSignal): Promise<void> {
    const why = await this.#attempt(signal);
    if (why.code === 'renewed') {
      this.#set(this.#wasUp ? 'interrupted' : 'connecting', null);
    } else if (this.#plan.parks(why)) {
      this.#wasUp = false;
      this.#set('parked', why);
      await this.#wake.heard(signal);
      this.#backoff.reset();
      this.#set('connecting', null);
    } else {
      this.#set(this.#wasUp ? 'interrupted' : 'connecting', why);
      await this.#wake.heardWithin(this.#backoff.next((why.retryAfter ?? 0) * 1000), signal);
    }
  }

  /** One session from its offer to its end; throws only when the signal is aborted. */
  async #attempt(signal: AbortSignal): Promise<ProtocolError> {
    let peer: Peer | null = null;
    try {
      await this.#connection.whenOpen(signal);
      peer = new Peer(this.#connection, this.#plan, await this.#connection.iceServers(signal));
      this.#peer = peer;
      peer.onlink = (up) => this.#linked(up);
      const opened = peer.open(signal).then((a) => this.#plan.answered(a));
      const early = await Promise.race([opened, abortable(peer.ended, signal)]);
      return early ?? (await abortable(peer.ended, signal));
    } catch (e) {
      signal.throwIfAborted();
      return asProtocolError(e);
    } finally {
      this.#peer = null;
      peer?.leave(signal.aborted || this.#plan.tells(peer));
      if (peer) this.#plan.retire(peer.pc);
    }
  }

  #linked(up: boolean): void {
    if (up) {
      this.#wasUp = true;
      this.#backoff.reset();
    }
    this.#set(up ? 'up' : 'interrupted', up ? null : new ProtocolError('failed', 'the path for media broke'));
  }

  #set(link: Link, error: ProtocolError | null): void {
    this.#link = link;
    this.#error = error;
    this.#plan.changed();
  }
}
