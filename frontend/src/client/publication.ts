/** Publishing one stream from tracks of this browser: a session that is kept alive until close(). */

import type { Connection } from './connection';
import type { ProtocolError } from './errors';
import { Keeper, type Link } from './keeper';
import type { Request, StreamInfo } from './wire';

export interface SendLimits {
  /** bit/s */
  videoBitrate: number;
  audioBitrate: number;
  fps: number;
}

export interface PublicationOptions {
  stream: string;
  title: string;
  token?: string;
  /** The secret of an earlier session of this stream, to take it over. */
  resume?: string;
  tracks: MediaStreamTrack[];
  /** Name of the video codec that is offered first. */
  codec: string;
  limits: SendLimits;
}

/** Ends after which publishing goes on by itself; all others need a person. */
const transient = new Set([
  'lost', 'internal', 'shutdown', 'throttled', 'connection_lost', 'timeout', 'unreachable', 'failed', 'no_session', 'not_live',
]);

type Kind = 'audio' | 'video';

export class Publication {
  // set at construction
  readonly #connection: Connection;
  readonly #keeper: Keeper;
  // changed by calls and events
  #options: PublicationOptions;
  #tracks = new Map<Kind, MediaStreamTrack>();
  #senders = new Map<Kind, RTCRtpSender>();
  #stream: StreamInfo | null = null;
  #running: AbortController | null = null;
  #unfollow: (() => void) | null = null;
  /** Called after every change of link, error or stream. */
  onchange: () => void = () => {};
  /** Called with the secret that takes this publication over after a reload. */
  onresume: (secret: string) => void = () => {};

  constructor(connection: Connection, options: PublicationOptions) {
    this.#connection = connection;
    this.#options = { ...options };
    for (const t of options.tracks) this.#tracks.set(t.kind as Kind, t);
    this.#keeper = new Keeper(connection, {
      prefix: 'p',
      token: options.token || undefined,
      build: (pc) => this.#build(pc),
      ask: (id, sdp) => this.#ask(id, sdp),
      answered: (a) => {
        if (a.resume === undefined) return;
        this.#options.resume = a.resume;
        this.onresume(a.resume);
      },
      parks: (why) => !transient.has(why.code),
      // To end a session ends the stream for everybody: one that the server took is taken over instead.
      tells: (old) => !old.answered,
      retire: (pc) => pc.close(),
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

  /** Starts publishing. A publication is started and closed once. */
  start(): void {
    if (this.#running) return;
    this.#running = new AbortController();
    this.#connection.start();
    const { stream, token } = this.#options;
    this.#unfollow = this.#connection.follow(
      stream,
      (s) => {
        this.#stream = s;
        this.onchange();
      },
      token,
    );
    void this.#keeper.run(this.#running.signal);
  }

  /** Ends the stream. */
  close(): void {
    this.#running?.abort();
    this.#running = null;
    this.#unfollow?.();
    this.#unfollow = null;
  }

  retry(): void {
    this.#connection.start();
    this.#keeper.renew();
  }

  /** The network may have changed. */
  hurry(): void {
    this.#connection.hurry();
    this.#keeper.hurry();
  }

  /** Sends this track from now on; null sends nothing of its kind. A kind that was not sent so far needs a new session. */
  async setTrack(kind: Kind, track: MediaStreamTrack | null): Promise<void> {
    if (track) this.#tracks.set(kind, track);
    else this.#tracks.delete(kind);
    const sender = this.#senders.get(kind);
    if (sender) await sender.replaceTrack(track);
    else if (track) this.#keeper.renew();
  }

  /** Offers this codec first from now on, in a new session. */
  setCodec(codec: string): void {
    this.#options.codec = codec;
    this.#keeper.renew();
  }

  async setLimits(limits: SendLimits): Promise<void> {
    this.#options.limits = limits;
    for (const [kind, sender] of this.#senders) {
      const p = sender.getParameters();
      for (const e of p.encodings) Object.assign(e, encoding(kind, limits));
      await sender.setParameters(p);
    }
  }

  /** Reports whether the request went out; the stream's state confirms it. */
  setTitle(title: string): boolean {
    this.#options.title = title;
    const id = this.#keeper.peer?.id;
    return id !== undefined && this.#connection.send({ type: 'title', id, title });
  }

  /** Sends a still, base64 of a JPEG; reports whether it went out. */
  sendPoster(jpeg: string): boolean {
    const id = this.#keeper.peer?.id;
    return this.link === 'up' && id !== undefined && this.#connection.send({ type: 'poster', id, jpeg });
  }

  #build(pc: RTCPeerConnection): void {
    this.#senders.clear();
    const stream = new MediaStream();
    for (const kind of ['video', 'audio'] as const) {
      const track = this.#tracks.get(kind);
      if (!track) continue;
      const t = pc.addTransceiver(track, { direction: 'sendonly', streams: [stream], sendEncodings: [encoding(kind, this.#options.limits)] });
      if (kind === 'video') prefer(t, this.#options.codec);
      this.#senders.set(kind, t.sender);
    }
  }

  #ask(id: string, sdp: string): Request {
    const { stream, title, token, resume } = this.#options;
    return { type: 'publish', id, stream, sdp, ...(title && { title }), ...(token && { token }), ...(resume && { resume }) };
  }
}

function encoding(kind: Kind, limits: SendLimits): RTCRtpEncodingParameters {
  return kind === 'video' ? { maxBitrate: limits.videoBitrate, maxFramerate: limits.fps } : { maxBitrate: limits.audioBitrate };
}

/** Puts a codec first; the others stay, so that the server can still choose one that it can pass on. */
function prefer(t: RTCRtpTransceiver, codec: string): void {
  const all = RTCRtpSender.getCapabilities('video')?.codecs ?? [];
  const wanted = `video/${codec}`.toLowerCase();
  const first = all.filter((c) => c.mimeType.toLowerCase() === wanted);
  if (first.length === 0) return;
  // Every decoder plays constrained baseline in mode 1; it comes before the other kinds of H.264.
  first.sort((a, b) => rank(a.sdpFmtpLine) - rank(b.sdpFmtpLine));
  t.setCodecPreferences([...first, ...all.filter((c) => !first.includes(c))]);
}

function rank(fmtp = ''): number {
  return (/profile-level-id=42e0/i.test(fmtp) ? 0 : 1) + (/packetization-mode=0/.test(fmtp) ? 2 : 0);
}
