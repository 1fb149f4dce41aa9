/**
 * One time on air: the publication and what goes on beside it (measurements, posters, the screen kept on).
 * Knows neither devices nor the studio's state.
 */

import type { Connection } from '../client/connection';
import type { ProtocolError } from '../client/errors';
import type { Link } from '../client/keeper';
import { every } from '../client/later';
import { Publication, type PublicationOptions, type SendLimits } from '../client/publication';
import { onNetworkChange } from './network';
import { sendPosters } from './poster';
import { keepResumeSecret, resumeSecret } from './secrets';
import { Silence } from './silence';
import type { StreamInfo, UplinkStats } from './types';
import { UplinkMeter } from './uplink';
import { keepAwake } from './wakelock';

export interface OnAirEvents {
  /** The link, the error or the stream's state changed. */
  changed(): void;
  measured(stats: UplinkStats): void;
}

export interface OnAirOptions extends PublicationOptions {
  /** The track that posters are taken of; null when there is none worth showing. */
  poster: () => MediaStreamTrack | null;
}

/** How often (ms) a report is looked at. */
const listenEvery = 250;
/** One in so many is measured: numbers that change more than once a second cannot be read. */
const measureEvery = 4;

export class OnAir {
  // set at construction
  readonly #connection: Connection;
  readonly #options: OnAirOptions;
  readonly #events: OnAirEvents;
  readonly #publication: Publication;
  readonly #meter = new UplinkMeter();
  readonly #silence = new Silence();
  // changed while it runs
  #measured: RTCPeerConnection | null = null;
  #reports = 0;
  #stops: (() => void)[] = [];

  constructor(connection: Connection, options: OnAirOptions, events: OnAirEvents) {
    this.#connection = connection;
    this.#options = options;
    this.#events = events;
    const resume = resumeSecret(options.stream);
    this.#publication = new Publication(connection, { ...options, ...(resume ? { resume } : {}) });
  }

  get link(): Link {
    return this.#publication.link;
  }

  get error(): ProtocolError | null {
    return this.#publication.error;
  }

  /** A key or token was given for it. */
  get keyed(): boolean {
    return this.#options.token !== undefined;
  }

  get stream(): StreamInfo | null {
    return this.#publication.stream;
  }

  start(): void {
    const p = this.#publication;
    p.onchange = () => this.#events.changed();
    p.onresume = (secret) => keepResumeSecret(this.#options.stream, secret);
    const posters = new AbortController();
    void sendPosters(this.#options.poster, (jpeg) => void p.sendPoster(jpeg), posters.signal);
    this.#stops = [
      every(listenEvery, () => void this.#listen()),
      () => posters.abort(),
      keepAwake(),
      onNetworkChange(() => p.hurry()),
      this.#connection.subscribe(() => this.#events.changed()),
    ];
    p.start();
  }

  /** Leaves the air: the stream ends for everybody. */
  end(): void {
    this.#publication.onchange = () => {};
    for (const stop of this.#stops.splice(0)) stop();
    this.#publication.close();
    keepResumeSecret(this.#options.stream, null);
  }

  retry(): void {
    this.#publication.retry();
  }

  setTrack(kind: 'audio' | 'video', track: MediaStreamTrack | null): Promise<void> {
    return this.#publication.setTrack(kind, track);
  }

  setCodec(codec: string): void {
    this.#publication.setCodec(codec);
  }

  setLimits(limits: SendLimits): Promise<void> {
    return this.#publication.setLimits(limits);
  }

  setTitle(title: string): void {
    this.#publication.setTitle(title);
  }

  async #listen(): Promise<void> {
    const pc = this.#publication.pc;
    if (pc !== this.#measured) {
      this.#meter.reset();
      this.#silence.reset();
      this.#measured = pc;
    }
    const report = await pc?.getStats().catch(() => null);
    if (report && pc === this.#measured && this.#stops.length > 0) {
      // A server that gets media reports on them all the time.
      if (this.#silence.doubts(report)) this.#connection.probe();
      if (++this.#reports % measureEvery === 0) this.#events.measured(this.#meter.read(report));
    }
  }
}
