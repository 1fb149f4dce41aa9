/** Publishing over WHIP (RFC 9725), for servers and pages without our WebSocket. A session goes on when the
 *  network changes; one that the server gave up is the caller's to open anew. */

import type { ProtocolError } from './errors';
import { HttpOffer } from './offer';

export class Whip {
  readonly #offer: HttpOffer;

  /** Publishes these tracks at an endpoint such as https://host/whip/stream. */
  constructor(endpoint: string, tracks: MediaStreamTrack[], token?: string) {
    this.#offer = new HttpOffer(endpoint, token);
    for (const t of tracks) this.#offer.pc.addTransceiver(t, { direction: 'sendonly' });
  }

  get pc(): RTCPeerConnection {
    return this.#offer.pc;
  }

  /** Called once when the session cannot go on: open another one. */
  set onlost(fn: (why: ProtocolError) => void) {
    this.#offer.onlost = fn;
  }

  /** The network may have changed. */
  hurry(): void {
    this.#offer.hurry();
  }

  /** Rejects with a ProtocolError or the signal's reason. */
  open(signal?: AbortSignal): Promise<void> {
    return this.#offer.open(signal);
  }

  close(): Promise<void> {
    return this.#offer.close();
  }
}
