/** The studio's camera, microphone and screen: which are open, and the tracks that they give. */

import { askFor, askForScreen } from './devices';
import { constraintsOf, screenConstraintsOf } from './presets';
import { problem } from './problems';
import { asProblem } from './rest';
import type { PresetName, Problem } from './types';

export interface CaptureEvents {
  /** A track was opened, closed or switched on or off. */
  changed(): void;
  /** What is sent of this kind is now this track. */
  sends(kind: 'audio' | 'video', track: MediaStreamTrack | null): void;
  /** A device went away by itself. */
  lost(p: Problem): void;
}

export class Capture {
  // set at construction
  /** What is to be sent, to look at; always the same object. */
  readonly preview = new MediaStream();
  readonly #events: CaptureEvents;
  // changed by calls
  #camera: MediaStreamTrack | null = null;
  #microphone: MediaStreamTrack | null = null;
  #screen: MediaStreamTrack | null = null;
  #cameraOn = true;
  #micOn = true;
  #preset: PresetName = '720p30';

  constructor(events: CaptureEvents) {
    this.#events = events;
  }

  get camera(): string | null {
    return this.#camera?.getSettings().deviceId ?? null;
  }

  get microphone(): string | null {
    return this.#microphone?.getSettings().deviceId ?? null;
  }

  get cameraOn(): boolean {
    return this.#cameraOn;
  }

  get micOn(): boolean {
    return this.#micOn;
  }

  get screen(): boolean {
    return this.#screen !== null;
  }

  get video(): MediaStreamTrack | null {
    return this.#screen ?? this.#camera;
  }

  get audio(): MediaStreamTrack | null {
    return this.#microphone;
  }

  /** Opens camera and microphone; with one of them only, opens that. Resolves with what is wrong, if anything. */
  async open(preset: PresetName, signal: AbortSignal): Promise<Problem | null> {
    this.#preset = preset;
    const video = constraintsOf(preset);
    try {
      // One question to the person rather than two.
      this.#take(await askFor({ video, audio: true }, signal));
      return null;
    } catch (e) {
      signal.throwIfAborted();
      const both = asProblem(e);
      if (both.code === 'insecure' || both.code === 'devices_blocked') return both;
      const camera = await this.#try({ video }, signal);
      const microphone = await this.#try({ audio: true }, signal);
      return camera && microphone ? both : (camera ?? microphone);
    }
  }

  /** Changes the camera; null closes it. Rejects with a Problem. */
  async useCamera(id: string | null, signal: AbortSignal): Promise<void> {
    // Many phones cannot open a camera while another one is open.
    this.#replace('video', null);
    if (id !== null) this.#take(await askFor({ video: { ...constraintsOf(this.#preset), deviceId: { exact: id } } }, signal));
  }

  /** Changes the microphone; null closes it. Rejects with a Problem. */
  async useMicrophone(id: string | null, signal: AbortSignal): Promise<void> {
    this.#replace('audio', null);
    if (id !== null) this.#take(await askFor({ audio: { deviceId: { exact: id } } }, signal));
  }

  setCamera(on: boolean): void {
    this.#cameraOn = on;
    if (this.#camera) this.#camera.enabled = on;
    this.#events.changed();
  }

  setMic(on: boolean): void {
    this.#micOn = on;
    if (this.#microphone) this.#microphone.enabled = on;
    this.#events.changed();
  }

  async shareScreen(signal: AbortSignal): Promise<void> {
    const track = await askForScreen(screenConstraintsOf(this.#preset), signal);
    if (!track) return;
    this.stopScreen();
    // Text has to stay sharp even if pictures come more rarely.
    track.contentHint = 'detail';
    track.onended = () => this.stopScreen();
    this.#screen = track;
    this.#announce('video');
  }

  stopScreen(): void {
    if (!this.#screen) return;
    this.#screen.onended = null;
    this.#screen.stop();
    this.#screen = null;
    this.#announce('video');
  }

  async setPreset(preset: PresetName): Promise<void> {
    this.#preset = preset;
    // A camera that cannot keeps its own size; the sender's limits still hold.
    await this.#camera?.applyConstraints(constraintsOf(preset)).catch(() => undefined);
    await this.#screen?.applyConstraints(screenConstraintsOf(preset)).catch(() => undefined);
  }

  close(): void {
    this.stopScreen();
    this.#replace('video', null);
    this.#replace('audio', null);
  }

  async #try(constraints: MediaStreamConstraints, signal: AbortSignal): Promise<Problem | null> {
    try {
      this.#take(await askFor(constraints, signal));
      return null;
    } catch (e) {
      signal.throwIfAborted();
      return asProblem(e);
    }
  }

  #take(tracks: MediaStreamTrack[]): void {
    for (const t of tracks) this.#replace(t.kind as 'audio' | 'video', t);
  }

  #replace(kind: 'audio' | 'video', track: MediaStreamTrack | null): void {
    const old = kind === 'video' ? this.#camera : this.#microphone;
    if (old) {
      old.onended = null;
      old.stop();
    }
    if (kind === 'video') this.#camera = track;
    else this.#microphone = track;
    if (track) {
      track.enabled = kind === 'video' ? this.#cameraOn : this.#micOn;
      track.onended = () => {
        this.#replace(kind, null);
        this.#events.lost(problem(kind === 'video' ? 'camera_gone' : 'microphone_gone'));
      };
    }
    if (old || track) this.#announce(kind);
  }

  #announce(kind: 'audio' | 'video'): void {
    const track = kind === 'video' ? this.video : this.audio;
    for (const t of this.preview.getTracks()) if (t.kind === kind && t !== track) this.preview.removeTrack(t);
    if (track) this.preview.addTrack(track);
    this.#events.sends(kind, track);
    this.#events.changed();
  }
}
