/** The player of one stream: what is watched, what is shown, and how well. */

import type { Connection } from '../client/connection';
import { every } from '../client/later';
import { Viewing } from '../client/viewing';
import type { DataMessage } from '../client/wire';
import { DataFeed } from './datafeed';
import { isOffline, onNetworkChange } from './network';
import { atStart, phaseOf, playerProblem, type Facts } from './phases';
import { problem } from './problems';
import { ReceptionMeter } from './reception';
import { Screen } from './screen';
import { Silence } from './silence';
import { same, Store } from './store';
import type { PlayerState, Readable } from './types';

/** How often (ms) a report is looked at. */
const readEvery = 500;
/** Without media for this long (ms) a live stream is not live here. */
const stallsAfter = 2000;
/** And for this long, the session is thought to be broken though its path is good: the server says sooner if it is the publisher. */
const renewsAfter = 12_000;

export class PlayerStore implements Readable<PlayerState> {
  // set at construction
  readonly #connection: Connection;
  readonly #name: string;
  readonly #token: string | undefined;
  readonly #store = new Store<PlayerState>(atStart);
  readonly #screen = new Screen();
  readonly #meter = new ReceptionMeter();
  readonly #silence = new Silence();
  readonly #data: DataFeed;
  // changed while it runs
  #viewing: Viewing | null = null;
  #stops: (() => void)[] = [];
  #measured: RTCPeerConnection | null = null;
  #readings = 0;
  #lastMedia = -Infinity;
  #upSince = 0;
  #played = false;
  #sounds = false;
  #pausedAt: number | null = null;
  /** Called with each data message of the stream when its picture is on the screen. */
  ondata: (m: DataMessage) => void = () => {};

  constructor(connection: Connection, stream: string, token?: string) {
    this.#connection = connection;
    this.#name = stream;
    this.#token = token;
    this.#screen.onchange = () => this.#screenChanged();
    this.#screen.onframe = (rtp) => this.#frameCame(rtp);
    this.#data = new DataFeed(connection, stream, () => this.get().delay ?? 0, (m) => this.ondata(m));
  }

  subscribe(fn: (state: PlayerState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): PlayerState {
    return this.#store.get();
  }

  /** Starts watching; a player is started and closed once. */
  start(): void {
    if (this.#viewing) return;
    if (typeof RTCPeerConnection === 'undefined') {
      this.#store.patch({ phase: 'cannot-play', problem: problem('no_webrtc') });
      return;
    }
    const viewing = new Viewing(this.#connection, { stream: this.#name, ...(this.#token ? { token: this.#token } : {}) });
    this.#viewing = viewing;
    viewing.onchange = () => this.#evaluate();
    viewing.ontrack = () => void this.#screen.refresh();
    this.#screen.show(viewing.media);
    this.#store.patch({ media: viewing.media });
    this.#stops = [
      every(readEvery, () => void this.#read()),
      () => viewing.close(),
      () => this.#data.close(),
      onNetworkChange(() => viewing.hurry()),
      this.#connection.subscribe(() => this.#evaluate()),
    ];
    this.#data.start();
    viewing.start();
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop();
    if (this.#viewing) this.#viewing.onchange = () => {};
    this.#screen.show(null);
  }

  /** Shows on this element until the returned function is called. */
  attach(video: HTMLVideoElement): () => void {
    return this.#screen.attach(video);
  }

  play(): void {
    this.#screen.play();
  }

  /** Stops the picture and the sound; the stream goes on behind them. */
  pause(): void {
    this.#screen.pause();
  }

  /** Media is live only, so that playing again is always at the live edge. */
  jumpToLive(): void {
    this.#screen.play();
  }

  setMuted(muted: boolean): void {
    this.#screen.setMuted(muted);
  }

  setVolume(volume: number): void {
    this.#screen.setVolume(volume);
  }

  /** Tries again at once. */
  retry(): void {
    this.#viewing?.retry();
  }

  #screenChanged(): void {
    const { paused, muted, volume, blocked } = this.#screen;
    if (!paused) this.#pausedAt = null;
    else this.#pausedAt ??= performance.now();
    this.#store.patch({ paused, muted, volume, autoplayBlocked: blocked && this.#sounds, behind: this.#behind() });
  }

  #behind(): number {
    return this.#pausedAt === null ? 0 : (performance.now() - this.#pausedAt) / 1000;
  }

  #frameCame(rtp: number | undefined): void {
    if (rtp !== undefined) this.#data.frame(rtp);
    this.#mediaCame();
  }

  #mediaCame(): void {
    const flowed = this.#flowing();
    this.#lastMedia = performance.now();
    this.#played = true;
    if (!flowed) this.#evaluate();
  }

  #flowing(): boolean {
    return performance.now() - this.#lastMedia < stallsAfter;
  }

  async #read(): Promise<void> {
    const pc = this.#viewing?.pc ?? null;
    if (pc !== this.#measured) {
      this.#meter.reset();
      this.#silence.reset();
      this.#data.renumber();
      this.#measured = pc;
      this.#readings = 0;
      this.#hears(false);
    }
    const report = await pc?.getStats().catch(() => null);
    // The session may have been replaced or closed meanwhile.
    if (this.#stops.length === 0 || pc !== this.#measured) return;
    if (report) this.#take(report);
    this.#evaluate();
    this.#renewIfDead();
    this.#data.tick();
    this.#store.patch({ behind: this.#behind(), data: this.#data.last });
  }

  #take(report: RTCStatsReport): void {
    const wantsVideo = this.#viewing?.stream?.tracks.some((t) => t.kind === 'video') ?? true;
    const { stats, delay, alive, sound } = this.#meter.read(report, this.#connection.serverNow(), wantsVideo);
    if (alive) this.#mediaCame();
    if (this.#silence.doubts(report) && this.#played && this.#viewing?.stream?.state === 'live') this.#connection.probe();
    this.#hears(sound);
    // Signs of life are wanted often, numbers that change more than once a second cannot be read.
    if (this.#readings++ % 2 === 1) this.#store.patch({ stats, path: stats.path, delay: this.#flowing() ? (delay ?? this.get().delay) : null });
  }

  /** There is sound to turn on, or none. */
  #hears(sound: boolean): void {
    if (sound === this.#sounds) return;
    this.#sounds = sound;
    this.#screenChanged();
  }

  #renewIfDead(): void {
    const v = this.#viewing;
    const now = performance.now();
    if (v?.link !== 'up' || v.stream?.state !== 'live') {
      this.#upSince = now;
    } else if (now - Math.max(this.#lastMedia, this.#upSince) > renewsAfter) {
      this.#upSince = now;
      v.retry();
    }
  }

  #evaluate(): void {
    const v = this.#viewing;
    if (!v) return;
    const c = this.#connection;
    const facts: Facts = {
      link: v.link,
      error: v.error,
      stream: v.stream,
      flowing: this.#flowing(),
      played: this.#played,
      noServerFor: c.failingFor,
      offline: isOffline(),
    };
    const phase = phaseOf(facts);
    // What ended has to be seen again before a gap in it is a reconnect.
    if (phase === 'ended' || phase === 'waiting') this.#played = false;
    this.#store.patch({ phase, problem: same(this.get().problem, playerProblem(facts, phase)), stream: v.stream });
  }
}
