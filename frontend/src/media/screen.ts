/** One video element that shows live media: play, pause, sound, and what the browser's autoplay rules allow. */

type FrameVideo = HTMLVideoElement & { requestVideoFrameCallback?: (fn: (now: number, frame?: { rtpTimestamp?: number }) => void) => number; cancelVideoFrameCallback?: (id: number) => void };

export class Screen {
  // changed by calls and by the element's events
  #video: FrameVideo | null = null;
  #media: MediaStream | null = null;
  #paused = false;
  #muted = false;
  #volume = 1;
  #blocked = false;
  /** Called after every change of what the getters tell. */
  onchange: () => void = () => {};
  /** Called for every frame that is shown, where the browser tells; with its RTP timestamp, where it knows. */
  onframe: (rtp: number | undefined) => void = () => {};

  get paused(): boolean {
    return this.#paused;
  }

  get muted(): boolean {
    return this.#muted;
  }

  get volume(): number {
    return this.#volume;
  }

  /** The browser does not allow sound before somebody touches the page. */
  get blocked(): boolean {
    return this.#blocked;
  }

  show(media: MediaStream | null): void {
    this.#media = media;
    if (this.#video) this.#video.srcObject = media;
    void this.refresh();
  }

  /** Shows on this element until the returned function is called. */
  attach(video: HTMLVideoElement): () => void {
    const v: FrameVideo = video;
    this.#video = v;
    v.playsInline = true;
    v.autoplay = true;
    v.srcObject = this.#media;
    // In picture-in-picture the browser has buttons of its own.
    const onpause = () => document.pictureInPictureElement === v && this.pause();
    const onplay = () => this.#paused && document.pictureInPictureElement === v && this.play();
    v.addEventListener('pause', onpause);
    v.addEventListener('play', onplay);
    const stopFrames = this.#countFrames(v);
    void this.refresh();
    return () => {
      stopFrames();
      v.removeEventListener('pause', onpause);
      v.removeEventListener('play', onplay);
      v.srcObject = null;
      if (this.#video === v) this.#video = null;
    };
  }

  play(): void {
    this.#set({ paused: false });
    void this.refresh();
  }

  pause(): void {
    this.#set({ paused: true });
    this.#video?.pause();
  }

  setMuted(muted: boolean): void {
    this.#set({ muted, blocked: false });
    void this.refresh();
  }

  setVolume(volume: number): void {
    this.#volume = Math.min(1, Math.max(0, volume));
    this.#set({ muted: this.#volume === 0, blocked: false });
    void this.refresh();
  }

  /** Brings the element in line and plays, unless paused. */
  async refresh(): Promise<void> {
    const v = this.#video;
    if (!v || !this.#media || this.#paused) return;
    v.volume = this.#volume;
    // A page that starts to sound by itself is a nuisance even where the browser lets it.
    if (!this.#muted && navigator.userActivation?.hasBeenActive === false) this.#set({ muted: true, blocked: true });
    v.muted = this.#muted;
    if (await tryPlay(v)) return;
    if (!this.#muted) {
      this.#set({ muted: true, blocked: true });
      v.muted = true;
      if (await tryPlay(v)) return;
    }
    // Not even silent pictures, as in the power saving of phones: it takes a press on play.
    this.#set({ paused: true });
  }

  #countFrames(v: FrameVideo): () => void {
    let id = 0;
    const next = () => {
      id = v.requestVideoFrameCallback?.((_, frame) => {
        this.onframe(frame?.rtpTimestamp);
        next();
      }) ?? 0;
    };
    next();
    return () => v.cancelVideoFrameCallback?.(id);
  }

  #set(s: { paused?: boolean; muted?: boolean; blocked?: boolean }): void {
    this.#paused = s.paused ?? this.#paused;
    this.#muted = s.muted ?? this.#muted;
    this.#blocked = s.blocked ?? this.#blocked;
    this.onchange();
  }
}

/** Reports false only when the browser forbids playing: a play() that the next one interrupts is no failure. */
async function tryPlay(v: HTMLVideoElement): Promise<boolean> {
  try {
    await v.play();
    return true;
  } catch (e) {
    return !(e instanceof DOMException && e.name === 'NotAllowedError');
  }
}
