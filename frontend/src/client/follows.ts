/** Who follows which streams on one connection. Knows messages, no socket. */

import type { Notice, StreamInfo } from './wire';

type Listener = (stream: StreamInfo) => void;

interface Followed {
  token: string | undefined;
  listeners: Set<Listener>;
  last: StreamInfo | null;
}

export class Follows {
  readonly #send: (m: Notice) => void;
  readonly #streams = new Map<string, Followed>();

  constructor(send: (m: Notice) => void) {
    this.#send = send;
  }

  /** Adds a listener; one that comes later hears the last known state at once. Returns its removal. */
  add(stream: string, listener: Listener, token?: string): () => void {
    let f = this.#streams.get(stream);
    if (!f) {
      f = { token, listeners: new Set(), last: null };
      this.#streams.set(stream, f);
      this.#send(follow(stream, token));
    } else if (token !== undefined && f.token !== token) {
      f.token = token;
      this.#send(follow(stream, token));
    }
    // A wrapper, so that one function that is added twice is heard twice and removed singly.
    const own: Listener = (s) => listener(s);
    f.listeners.add(own);
    if (f.last) own(f.last);
    return () => this.#remove(stream, own);
  }

  deliver(info: StreamInfo): void {
    const f = this.#streams.get(info.name);
    if (!f) return;
    f.last = info;
    for (const listener of [...f.listeners]) listener(info);
  }

  /** Asks for all of them again: a new socket knows nothing of the old one's. */
  renew(): void {
    for (const [stream, f] of this.#streams) this.#send(follow(stream, f.token));
  }

  #remove(stream: string, listener: Listener): void {
    const f = this.#streams.get(stream);
    if (!f?.listeners.delete(listener) || f.listeners.size > 0) return;
    this.#streams.delete(stream);
    this.#send({ type: 'unfollow', stream });
  }
}

function follow(stream: string, token: string | undefined): Notice {
  return token === undefined ? { type: 'follow', stream } : { type: 'follow', stream, token };
}
