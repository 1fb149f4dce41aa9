/**
 * Watching one stream: a session that is kept alive, the state of the stream, and one MediaStream whose tracks
 * change under it. Knows no element.
 */

import type { Connection } from './connection';
import type { ProtocolError } from './errors';
import { Keeper, type Link } from './keeper';
import type { Answer, Request, StreamInfo } from './wire';

export interface ViewingOptions {
  stream: string;
  token?: string;
}

/** Ends that the viewer can do nothing about by asking again; all others are tried again. */
const parking = new Set([
  'not_live', 'ended', 'unsupported_codec', 'bad_request', 'bad_name', 'bad_version', 'unauthenticated', 'denied', 'expired', 'replaced',
]);
/** Of those, the ones that the stream's going live cures. */
const curedByLive = new Set(['not_live', 'ended', 'unsupported_codec']);

export class Viewing {
  // set at construction
  /** Always the same object; tracks of a new session take the place of the old ones when their media arrives. */
  readonly media = new MediaStream();
  readonly #connection: Connection;
  readonly #options: ViewingOptions;
  readonly #keeper: Keeper;
  // changed by events
  #stream: StreamInfo | null = null;
  #tried = '';
  #shown: RTCPeerConnection | null = null;
  #running: AbortController | null = null;
  #unfollow: (() => void) | null = null;
  /** Called after every change of link, error or stream. */
  onchange: () => void = () => {};
  /** Called when a track has come into `media`. */
  ontrack: () => void = () => {};

  constructor(connection: Connection, options: ViewingOptions) {
    this.#connection = connection;
    this.#options = options;
    this.#keeper = new Keeper(connection, {
      prefix: 'w',
      token: options.token || undefined,
      build: (pc) => this.#build(pc),
      ask: (id, sdp): Request => ({ type: 'watch', id, stream: options.stream, sdp, ...(options.token ? { token: options.token } : {}) }),
      answered: (_: Answer) => undefined,
      parks: (why) => this.#parks(why),
      tells: () => true,
      retire: (pc) => this.#retire(pc),
      changed: () => this.onchange(),
    });
  }

  get link(): Link {
    return this.#keeper.link;
  }

  get error(): ProtocolError | null {
    return this.#keeper.error;
  }

  get stream(): StreamInfo | null {
    return this.#stream;
  }

  /** The present connection for media, to read statistics from. */
  get pc(): RTCPeerConnection | null {
    return this.#keeper.peer?.pc ?? null;
  }

  /** Starts watching. A viewing is started and closed once. */
  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    this.#connection.start();
    this.#unfollow = this.#connection.follow(this.#options.stream, (s) => this.#streamChanged(s), this.#options.token);
    void this.#keeper.run(this.#running.signal);
  }

  close(): void {
    this.#running?.abort();
    this.#running = null;
    this.#unfollow?.();
    this.#unfollow = null;
    this.#shown?.close();
    this.#shown = null;
  }

  /** Tries again at once, whatever the state. */
  retry(): void {
    this.#connection.start();
    this.#keeper.renew();
  }

  /** The network may have changed. */
  hurry(): void {
    this.#connection.hurry();
    this.#keeper.hurry();
  }

  #build(pc: RTCPeerConnection): void {
    this.#tried = shape(this.#stream);
    pc.ontrack = (e) => this.#arrived(e.track, pc);
    for (const kind of ['video', 'audio'] as const) {
      const { receiver } = pc.addTransceiver(kind, { direction: 'recvonly' });
      // The least delay that the network allows; the browser raises it by itself when packets come unevenly.
      if ('jitterBufferTarget' in receiver) receiver.jitterBufferTarget = 0;
    }
  }

  // The picture of the old session stays until the new one's first packet: a track unmutes with it.
  #arrived(track: MediaStreamTrack, pc: RTCPeerConnection): void {
    const take = () => {
      if (this.pc !== pc) return;
      for (const t of this.media.getTracks()) if (t.kind === track.kind && t !== track) this.media.removeTrack(t);
      this.media.addTrack(track);
      if (this.#shown !== pc) this.#shown?.close();
      this.#shown = pc;
      this.ontrack();
    };
    if (!track.muted || !this.media.getTracks().some((t) => t.kind === track.kind)) take();
    else track.addEventListener('unmute', take, { once: true });
  }

  #streamChanged(s: StreamInfo): void {
    this.#stream = s;
    const code = this.error?.code ?? '';
    const curable = code === 'unsupported_codec' ? shape(s) !== this.#tried : curedByLive.has(code);
    if (this.link === 'parked' && curable && s.state === 'live') this.#keeper.wake();
    this.onchange();
  }

  #parks(why: ProtocolError): boolean {
    // The stream may have gone live while the refusal was on its way; then nothing would wake this viewing.
    if (why.code === 'not_live' && this.#stream?.state === 'live') return false;
    return parking.has(why.code);
  }

  // The connection whose picture is shown is closed only when another picture is there.
  #retire(pc: RTCPeerConnection): void {
    if (pc !== this.#shown) pc.close();
  }
}

/** What decides whether a browser can play it: a cured encoder sends the same codec. */
function shape(s: StreamInfo | null): string {
  return s ? [...s.tracks.map((t) => t.codec), ...(s.diagnoses ?? []).map((d) => d.code)].join() : '';
}
