/** The peak of a microphone in dBFS, ten times a second. */

/** What stands for silence. */
export const silence = -100;

export class LevelMeter {
  // set at construction
  readonly #onlevel: (dbfs: number) => void;
  // changed by calls
  #context: AudioContext | null = null;
  #source: MediaStreamAudioSourceNode | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(onlevel: (dbfs: number) => void) {
    this.#onlevel = onlevel;
  }

  /** Measures this track from now on; null measures nothing. */
  measure(track: MediaStreamTrack | null): void {
    this.#source?.disconnect();
    this.#source = null;
    clearInterval(this.#timer);
    this.#onlevel(silence);
    if (!track || typeof AudioContext === 'undefined') return;
    const context = (this.#context ??= new AudioContext());
    const analyser = context.createAnalyser();
    analyser.fftSize = 4096; // 85 ms at 48 kHz: hardly a peak falls between two looks
    this.#source = context.createMediaStreamSource(new MediaStream([track]));
    this.#source.connect(analyser);
    const samples = new Float32Array(analyser.fftSize);
    this.#timer = setInterval(() => {
      // The browser may hold the context back until somebody touches the page.
      if (context.state === 'suspended') void context.resume();
      analyser.getFloatTimeDomainData(samples);
      this.#onlevel(peakOf(samples));
    }, 100);
  }

  close(): void {
    this.measure(null);
    void this.#context?.close();
    this.#context = null;
  }
}

/** The peak of samples between -1 and 1, in dBFS with one decimal. */
export function peakOf(samples: ArrayLike<number>): number {
  let peak = 0;
  for (let i = 0; i < samples.length; i++) peak = Math.max(peak, Math.abs(samples[i] ?? 0));
  if (peak === 0) return silence;
  return Math.min(0, Math.max(silence, Math.round(200 * Math.log10(peak)) / 10));
}
