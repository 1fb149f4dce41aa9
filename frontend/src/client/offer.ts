/** The HTTP exchange that WHIP (RFC 9725) and WHEP share: an offer is posted, the answer makes a resource. */

import { ProtocolError } from './errors';

export class HttpOffer {
  // set at construction
  readonly pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  readonly #endpoint: string;
  readonly #token: string | undefined;
  // changed by open and close
  #resource: string | null = null;

  constructor(endpoint: string, token?: string) {
    this.#endpoint = endpoint;
    this.#token = token;
  }

  /** Negotiates the transceivers that the connection has. Rejects with a ProtocolError or the signal's reason. */
  async open(signal?: AbortSignal): Promise<void> {
    await this.pc.setLocalDescription();
    const response = await fetch(this.#endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', ...this.#authorization() },
      body: this.pc.localDescription?.sdp ?? '',
      ...(signal ? { signal } : {}),
    });
    if (response.status !== 201) throw await refused(response);
    const location = response.headers.get('Location');
    if (location) this.#resource = new URL(location, response.url || this.#endpoint).href;
    await this.pc.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  }

  /** Ends the session here and on the server. */
  async close(): Promise<void> {
    this.pc.close();
    const resource = this.#resource;
    this.#resource = null;
    if (resource) await fetch(resource, { method: 'DELETE', headers: this.#authorization(), keepalive: true });
  }

  #authorization(): Record<string, string> {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }
}

async function refused(response: Response): Promise<ProtocolError> {
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  const body: unknown = await response.json().catch(() => null);
  const f = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof f.code === 'string' ? f.code : response.status === 401 ? 'unauthenticated' : 'internal';
  const message = typeof f.detail === 'string' ? f.detail : `the server answered ${response.status}`;
  return new ProtocolError(code, message, retryAfter === undefined ? {} : { retryAfter });
}
