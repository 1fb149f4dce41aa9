/**
 * The HTTP exchange that WHIP (RFC 9725) and WHEP share: an offer is posted, the answer makes a resource, and when the
 * path breaks a PATCH finds another one for the same session.
 */

import { ProtocolError, asProtocolError } from './errors';
import { restartedAnswer, restartFragment } from './fragment';
import { linkedServers } from './servers';
import { Bell, sleep } from './wait';

/** Waits between two tries to go on, ms. */
const steps = [0, 250, 500, 1000, 1000, 2000];
/** A request that was begun while the network was away may hang for longer than the network does. */
const askWithin = 3000;
/** A path has to be found within this time after a restart, ms. */
const connectWithin = 6000;
/** The server keeps a session for this long (ms) when it hears nothing. */
const kept = 60_000;
/** Answers that another try does not change: the session is gone, or does not restart. */
const final = new Set([400, 401, 403, 404, 405, 409, 410, 412, 415, 422, 428]);

export class HttpOffer {
  // set at construction
  readonly pc = new RTCPeerConnection({ bundlePolicy: 'max-bundle' });
  readonly #endpoint: string;
  readonly #token: string | undefined;
  readonly #abort = new AbortController();
  readonly #hurried = new Bell();
  // changed by events
  #resource: string | null = null;
  #tag: string | null = null;
  #answer = '';
  #mending = false;
  /** Called once when the session cannot go on: open another one. */
  onlost: (why: ProtocolError) => void = () => {};

  constructor(endpoint: string, token?: string) {
    this.#endpoint = endpoint;
    this.#token = token;
    this.pc.onconnectionstatechange = () => this.#changed();
  }

  /** Negotiates the transceivers that the connection has. Rejects with a ProtocolError or the signal's reason. */
  async open(signal?: AbortSignal): Promise<void> {
    const offer = await this.pc.createOffer();
    const response = await fetch(this.#endpoint, {
      method: 'POST',
      headers: { 'Content-Type': 'application/sdp', ...this.#authorization() },
      body: offer.sdp ?? '',
      ...(signal ? { signal } : {}),
    });
    if (response.status !== 201) throw await refused(response);
    const location = response.headers.get('Location');
    if (location) this.#resource = new URL(location, response.url || this.#endpoint).href;
    this.#tag = response.headers.get('ETag');
    this.#answer = await response.text();
    // The relays are known before anything is gathered, so that all ways are tried from the start.
    this.#useServers(linkedServers(response.headers));
    await this.pc.setLocalDescription(offer);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: this.#answer });
  }

  /** The network may have changed: looks for a path at once if the present one is broken. */
  hurry(): void {
    this.#hurried.ring();
    if (this.pc.connectionState !== 'connected') this.#changed();
  }

  /** Ends the session here and on the server. */
  async close(): Promise<void> {
    this.#abort.abort();
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    const resource = this.#resource;
    this.#resource = null;
    if (resource) await fetch(resource, { method: 'DELETE', headers: this.#authorization(), keepalive: true });
  }

  #changed(): void {
    const state = this.pc.connectionState;
    if (this.#mending || !this.#resource || (state !== 'disconnected' && state !== 'failed')) return;
    this.#mending = true;
    void this.#mend().finally(() => (this.#mending = false));
  }

  async #mend(): Promise<void> {
    const { signal } = this.#abort;
    const since = performance.now();
    let why = new ProtocolError('failed', 'the path for media broke');
    try {
      for (let i = 0; performance.now() - since < kept; i++) {
        await this.#hurried.heardWithin(steps[Math.min(i, steps.length - 1)] ?? 0, signal);
        if (this.pc.connectionState === 'connected') return;
        try {
          await this.#restart(signal);
          if (await this.#connects(signal)) return;
        } catch (e) {
          signal.throwIfAborted();
          why = asProtocolError(e);
          if (why.code === 'no_session') break;
        }
      }
    } catch {
      return;
    }
    this.onlost(why);
  }

  /** Asks for new credentials of the same session (RFC 9725 section 4.3.3). Without an ETag the server knows no restarts. */
  async #restart(signal: AbortSignal): Promise<void> {
    if (!this.#resource || !this.#tag) throw new ProtocolError('no_session', 'the server does not restart sessions');
    const offer = await this.pc.createOffer({ iceRestart: true });
    const response = await fetch(this.#resource, {
      method: 'PATCH',
      headers: { 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*', ...this.#authorization() },
      body: restartFragment(offer.sdp ?? ''),
      signal: AbortSignal.any([signal, AbortSignal.timeout(askWithin)]),
    });
    if (response.status !== 200) {
      const why = await refused(response);
      throw final.has(response.status) ? new ProtocolError('no_session', why.message) : why;
    }
    const answer = restartedAnswer(this.#answer, await response.text());
    if (!answer) throw new ProtocolError('no_session', 'the server did not restart the session');
    this.#tag = response.headers.get('ETag') ?? this.#tag;
    this.#answer = answer;
    this.#useServers(linkedServers(response.headers));
    await this.pc.setLocalDescription(offer);
    await this.pc.setRemoteDescription({ type: 'answer', sdp: answer });
  }

  async #connects(signal: AbortSignal): Promise<boolean> {
    const until = performance.now() + connectWithin;
    while (performance.now() < until && this.pc.connectionState !== 'connected') await sleep(100, signal);
    return this.pc.connectionState === 'connected';
  }

  #useServers(iceServers: RTCIceServer[]): void {
    if (iceServers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  #authorization(): Record<string, string> {
    return this.#token ? { Authorization: `Bearer ${this.#token}` } : {};
  }
}

/** The ProtocolError of a response that is a refusal. */
export async function refused(response: Response): Promise<ProtocolError> {
  const retryAfter = Number(response.headers.get('Retry-After')) || undefined;
  const body: unknown = await response.json().catch(() => null);
  const f = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof f.code === 'string' ? f.code : response.status === 401 ? 'unauthenticated' : 'internal';
  const message = typeof f.detail === 'string' ? f.detail : `the server answered ${response.status}`;
  return new ProtocolError(code, message, retryAfter === undefined ? {} : { retryAfter });
}
