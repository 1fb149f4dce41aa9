/** Publishing over WHIP (RFC 9725), for servers and pages without our WebSocket. Does not reconnect. */

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

  /** Rejects with a ProtocolError or the signal's reason. */
  open(signal?: AbortSignal): Promise<void> {
    return this.#offer.open(signal);
  }

  close(): Promise<void> {
    return this.#offer.close();
  }
}
