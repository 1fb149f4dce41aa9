/** The studio: devices, choices and the time on air, as one state. */

import type { Connection } from '../client/connection';
import { Capture } from './capture';
import { listDevices, onDevicesChange } from './devices';
import { add, phaseLine, statsLine } from './log';
import { LevelMeter, silence } from './meter';
import { isOffline } from './network';
import { OnAir } from './onair';
import { codecName, encodable, limitsOf } from './presets';
import { problem, publishingProblem } from './problems';
import { isFresh, keepForReload, onPageHide, takeAfterReload, type Interrupted } from './reload';
import { asProblem } from './rest';
import { same, Store } from './store';
import { studioPhase } from './studiophase';
import type { CodecChoice, GoLive, LogLine, PresetName, Problem, Readable, StudioPhase, StudioState, UplinkStats } from './types';

const historyLength = 120;
/** For this long (measurements, one a second) an encoder is still on its way up: that is not the network's doing. */
const rampsUp = 20;

const initial: StudioState = {
  phase: 'idle', problem: null, cameras: [], microphones: [], camera: null, microphone: null, cameraOn: true, micOn: true,
  screen: false, preset: '720p30', codec: 'auto', codecs: ['auto'], preview: null, level: silence, stats: null, history: [],
  viewers: 0, peak: 0, since: null, stream: '', title: '', diagnoses: [], log: [],
};

export class StudioStore implements Readable<StudioState> {
  // set at construction
  readonly #connection: Connection;
  readonly #store = new Store<StudioState>(initial);
  readonly #capture: Capture;
  readonly #level = new LevelMeter((level) => this.#store.patch({ level }));
  // changed by calls
  #life: AbortController | null = null;
  #asking: AbortController | null = null;
  #onAir: OnAir | null = null;
  #stops: (() => void)[] = [];
  /** What was asked for when going on air. */
  #wish: GoLive | null = null;
  /** Going on air again after a reload. */
  #resumes = false;
  /** What is wrong with a device or a choice; it stays until the next try, whatever happens on air. */
  #deviceProblem: Problem | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#capture = new Capture({
      changed: () => this.#captureChanged(),
      sends: (kind, track) => this.#sends(kind, track),
      lost: (p) => this.#deviceSays(p),
    });
  }

  subscribe(fn: (state: StudioState) => void): () => void {
    return this.#store.subscribe(fn);
  }

  get(): StudioState {
    return this.#store.get();
  }

  /** Asks for camera and microphone; again after a refusal ("Check again"). Settles when the browser has answered. */
  async open(): Promise<void> {
    let back: Interrupted | null = null;
    if (!this.#life) {
      this.#life = new AbortController();
      this.#stops = [onDevicesChange(() => void this.#list()), onPageHide(() => this.#pageGoes())];
      this.#connection.start();
      back = takeAfterReload();
      if (back) this.#prepare(back);
    }
    const before = this.get().phase;
    if (before === 'idle') this.#store.patch({ phase: 'asking', codecs: encodable() });
    const found = await this.#ask((signal) => this.#capture.open(this.get().preset, signal));
    if (this.get().phase === 'asking') this.#store.patch({ phase: 'ready' });
    if (found) this.#deviceSays(found);
    if (back) await this.#resume(back);
    await this.#list();
  }

  async selectCamera(id: string | null): Promise<void> {
    await this.#ask((signal) => this.#capture.useCamera(id, signal));
  }

  async selectMicrophone(id: string | null): Promise<void> {
    await this.#ask((signal) => this.#capture.useMicrophone(id, signal));
  }

  setCamera(on: boolean): void {
    this.#capture.setCamera(on);
  }

  setMic(on: boolean): void {
    this.#capture.setMic(on);
  }

  async shareScreen(): Promise<void> {
    await this.#ask((signal) => this.#capture.shareScreen(signal));
  }

  stopScreen(): void {
    this.#capture.stopScreen();
  }

  async setPreset(preset: PresetName): Promise<void> {
    this.#store.patch({ preset });
    await this.#capture.setPreset(preset);
    await this.#onAir?.setLimits(limitsOf(preset)).catch((e) => this.#deviceSays(asProblem(e)));
  }

  /** On air, a change of the codec takes a new session: about a second without picture. */
  setCodec(codec: CodecChoice): void {
    if (!this.get().codecs.includes(codec)) return this.#deviceSays(problem('codec_missing'));
    this.#store.patch({ codec });
    this.#onAir?.setCodec(codecName(codec));
  }

  /** Goes on air; the state tells how it goes. After `replaced` or `ended` it takes the name back. */
  goLive(o: GoLive): void {
    if (typeof RTCPeerConnection === 'undefined') return this.#deviceSays(problem('no_webrtc'));
    const tracks = [this.#capture.video, this.#capture.audio].filter((t) => t !== null);
    if (tracks.length === 0) return this.#deviceSays(problem('nothing_to_send'));
    this.#onAir?.end();
    this.#deviceProblem = null;
    this.#store.patch({ problem: null, stats: null, history: [], viewers: 0, peak: 0, since: null, diagnoses: [], stream: o.stream, title: o.title });
    const { preset, codec } = this.get();
    const options = {
      ...o, tracks, codec: codecName(codec), limits: limitsOf(preset),
      poster: () => (this.#capture.screen || this.#capture.cameraOn ? this.#capture.video : null),
    };
    this.#onAir = new OnAir(this.#connection, options, { changed: () => this.#airChanged(), measured: (s) => this.#measured(s) });
    this.#wish = o;
    this.#resumes = false;
    this.#enter('connecting');
    this.#onAir.start();
  }

  /** Tries again at once after a problem on air. */
  retry(): void {
    this.#onAir?.retry();
  }

  setTitle(title: string): void {
    this.#onAir?.setTitle(title);
    if (!this.#onAir) this.#store.patch({ title });
  }

  /** Goes off air. */
  end(): void {
    if (!this.#onAir) return;
    this.#onAir.end();
    this.#onAir = null;
    this.#tell(this.#deviceProblem);
    this.#enter('ended');
  }

  /** Goes off air and lets go of all devices. */
  close(): void {
    this.end();
    this.#life?.abort();
    this.#life = null;
    for (const stop of this.#stops.splice(0)) stop();
    this.#capture.close();
    this.#level.close();
    this.#store.patch({ ...initial });
  }

  #pageGoes(): void {
    const { phase, stream, title, preset, codec, camera, microphone, cameraOn, micOn, screen } = this.get();
    const running = phase === 'live' || phase === 'reconnecting';
    if (!this.#wish || !(running || this.#resumes)) return;
    keepForReload({
      ...this.#wish, stream, title, preset, codec, at: Date.now(),
      // Nothing goes out that did not before; a screen has to be picked by hand again.
      camera: cameraOn && !screen ? camera : null,
      microphone: micOn ? microphone : null,
    });
  }

  #prepare(back: Interrupted): void {
    this.#store.patch({ preset: back.preset, codec: back.codec, stream: back.stream, title: back.title });
    this.#capture.setCamera(back.camera !== null);
    this.#capture.setMic(back.microphone !== null);
  }

  /** Goes on air again, unless the browser's question about the devices took too long to be answered. */
  async #resume(back: Interrupted): Promise<void> {
    const { camera, microphone } = this.get();
    if (back.camera !== null && back.camera !== camera) await this.selectCamera(back.camera);
    if (back.microphone !== null && back.microphone !== microphone) await this.selectMicrophone(back.microphone);
    if (!this.#life || !isFresh(back) || this.#onAir) return;
    const { stream, title, token } = back;
    this.goLive({ stream, title, ...(token === undefined ? {} : { token }) });
    this.#resumes = this.#onAir !== null;
  }

  // The last wish counts: what was asked before is called off.
  async #ask<T>(what: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    if (!this.#life) return null;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    const signal = AbortSignal.any([this.#life.signal, asking.signal]);
    try {
      const result = await what(signal);
      this.#deviceSays(null);
      return result;
    } catch (e) {
      if (!signal.aborted) this.#deviceSays(asProblem(e));
      return null;
    }
  }

  async #list(): Promise<void> {
    const lists = await listDevices().catch(() => null);
    if (lists && this.#life) this.#store.patch(lists);
  }

  #captureChanged(): void {
    const { camera, microphone, cameraOn, micOn, screen, preview } = this.#capture;
    this.#store.patch({ camera, microphone, cameraOn, micOn, screen, preview: preview.getTracks().length > 0 ? preview : null });
  }

  #sends(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    if (kind === 'audio') this.#level.measure(track);
    this.#onAir?.setTrack(kind, track).catch((e) => this.#deviceSays(asProblem(e)));
  }

  #airChanged(): void {
    const air = this.#onAir;
    if (!air) return;
    const old = this.get();
    const s = air.stream;
    const phase = studioPhase(air.link, s, old.phase);
    const viewers = s?.viewers ?? old.viewers;
    const since = phase === 'live' ? (s?.since ?? old.since ?? this.#connection.serverNow()) : old.since;
    this.#store.patch({ viewers, peak: Math.max(old.peak, viewers), since, title: s?.state === 'live' ? s.title : old.title, diagnoses: same(old.diagnoses, s?.diagnoses ?? []) });
    this.#tell(this.#airProblem(air, phase) ?? this.#deviceProblem);
    this.#enter(phase);
    // Off air by the server's word: the publication stays parked only while it may be taken back.
    if (phase === 'ready') {
      air.end();
      this.#onAir = null;
    }
  }

  #airProblem(air: OnAir, phase: StudioPhase): Problem | null {
    if (phase === 'live') return null;
    if (isOffline()) return problem('offline');
    if (air.error && air.error.code !== 'renewed') return publishingProblem(air.error, air.keyed);
    return this.#connection.failingFor > 2000 ? problem('connection_lost') : null;
  }

  #measured(measured: UplinkStats): void {
    const { stats: old, history } = this.get();
    const early = history.length < rampsUp && measured.limited === 'bandwidth';
    const stats = early ? { ...measured, limited: '' } : measured;
    this.#note(statsLine(old, stats));
    this.#store.patch({ stats, history: [...history.slice(1 - historyLength), stats] });
  }

  #enter(phase: StudioPhase): void {
    const { phase: old, stream } = this.get();
    this.#note(phaseLine(old, phase, stream, this.#resumes));
    if (phase !== 'connecting') this.#resumes = false;
    this.#store.patch({ phase });
  }

  #deviceSays(p: Problem | null): void {
    this.#deviceProblem = p;
    const air = this.#onAir;
    this.#tell((air && this.#airProblem(air, this.get().phase)) ?? p);
  }

  #tell(p: Problem | null): void {
    if (JSON.stringify(p) === JSON.stringify(this.get().problem)) return;
    if (p) this.#note(['off', `${p.title}. ${p.message}`]);
    this.#store.patch({ problem: p });
  }

  #note(line: [LogLine['mark'], string] | null): void {
    if (line) this.#store.patch({ log: add(this.get().log, ...line) });
  }
}
