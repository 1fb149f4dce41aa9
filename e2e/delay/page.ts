import type { Page } from '@playwright/test';

/** Delays in ms: of each picture that was read, of each beep that was heard. */
export interface Measured {
  video: number[];
  audio: number[];
  /** Pictures whose bars could not be read. */
  unread: number;
  /** What of the delay the browser's jitter buffers were, on average (ms). */
  buffers: { video: number; audio: number };
  /** How much later than its picture the browser, going by the server's time stamps, knows the sound to be (ms): it mends only what is more than 30. */
  known: number[];
}

/** Reads clock and beeps on the watch page for some seconds. What is shown and played counts, up to the browser's own output. */
export function measure(page: Page, seconds: number): Promise<Measured> {
  return page.evaluate(async (ms) => {
    const element = document.querySelector('video');
    if (!element) throw new Error('the page has no video element');
    const found: Measured = { video: [], audio: [], unread: 0, buffers: { video: NaN, audio: NaN }, known: [] };
    const before = await buffered();
    const [track] = (element.srcObject as MediaStream).getAudioTracks();
    const output = track ? await loudspeaker() : 0;
    const end = performance.now() + ms;
    readPictures(element, found, end);
    if (track) void hearBeeps(track, found, end);
    while (performance.now() < end + 100) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      const { video, audio } = await buffered();
      if (video?.playing && audio?.playing) found.known.push(video.playing - audio.playing);
    }
    const after = await buffered();
    for (const kind of ['video', 'audio'] as const) {
      const [then, now] = [before[kind], after[kind]];
      if (then && now) found.buffers[kind] = ((now.delay - then.delay) / (now.count - then.count)) * 1000;
    }
    return found;

    /** What the jitter buffers have held so far (seconds, and of how many frames or samples), and the server's time stamp of what plays now (ms). */
    async function buffered(): Promise<Record<string, { delay: number; count: number; playing: number }>> {
      const report = await (window as unknown as { peers: RTCPeerConnection[] }).peers.at(-1)?.getStats();
      const held: Awaited<ReturnType<typeof buffered>> = {};
      report?.forEach((s) => {
        if (s.type === 'inbound-rtp') held[s.kind] = { delay: s.jitterBufferDelay, count: s.jitterBufferEmittedCount, playing: s.estimatedPlayoutTimestamp };
      });
      return held;
    }

    function readPictures(video: HTMLVideoElement, to: Measured, until: number): void {
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [640, 1];
      const context = canvas.getContext('2d', { willReadFrequently: true });
      const next = () => {
        const now = Date.now();
        context?.drawImage(video, 0, 16, 640, 1, 0, 0, 640, 1);
        const time = decode(context?.getImageData(0, 0, 640, 1).data ?? new Uint8ClampedArray());
        if (time === undefined) to.unread++;
        // The clock has 24 bits.
        else if (time !== 0) to.video.push((((now - time) % 2 ** 24) + 2 ** 24) % 2 ** 24);
        if (performance.now() < until) video.requestVideoFrameCallback(next);
      };
      video.requestVideoFrameCallback(next);
    }

    /** The time in the bars; undefined when they do not check. */
    function decode(data: Uint8ClampedArray): number | undefined {
      let code = 0;
      for (let bar = 0; bar < 32; bar++) code = ((code << 1) | ((data[(bar * 20 + 10) * 4 + 1] ?? 0) > 128 ? 1 : 0)) >>> 0;
      const value = code >>> 8;
      if (((value ^ (value >>> 8) ^ (value >>> 16) ^ 0xa5) & 0xff) !== (code & 0xff)) return undefined;
      let time = value;
      for (let shift = 1; shift < 24; shift *= 2) time ^= time >>> shift;
      return time;
    }

    /** How long (ms) sound is on its way to the loudspeaker, which the browser makes pictures wait for. */
    async function loudspeaker(): Promise<number> {
      const context = new AudioContext();
      await context.resume();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const latency = context.outputLatency * 1000;
      await context.close();
      return latency;
    }

    async function hearBeeps(of: MediaStreamTrack, to: Measured, until: number): Promise<void> {
      const Processor = (window as unknown as { MediaStreamTrackProcessor: new (o: { track: MediaStreamTrack }) => { readable: ReadableStream } }).MediaStreamTrackProcessor;
      const reader = new Processor({ track: of.clone() }).readable.getReader();
      let quiet = 0; // samples since the last loud one
      let ahead = Infinity; // the least that reading was behind the sound's own clock, which no hiccup of this thread shortens
      const onsets: number[] = [];
      while (performance.now() < until) {
        const { value: chunk, done } = await reader.read();
        if (done) break;
        const now = Date.now();
        const samples = new Float32Array(chunk.numberOfFrames);
        chunk.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
        const [at, rate] = [chunk.timestamp / 1000, chunk.sampleRate];
        chunk.close();
        ahead = Math.min(ahead, now - at);
        for (const [i, sample] of samples.entries()) {
          if (Math.abs(sample) < 0.1) {
            quiet++;
            continue;
          }
          if (quiet > rate * 0.3) onsets.push(at + (i * 1000) / rate);
          quiet = 0;
        }
      }
      void reader.cancel();
      for (const onset of onsets) to.audio.push((onset + ahead + output) % 1000);
    }
  }, seconds * 1000);
}

/** Runs in the page before its own code: remembers how long after a click the first picture was shown. */
export function stopwatch(): void {
  const w = window as unknown as { firstPicture?: number };
  let clicked = 0;
  addEventListener('click', () => (clicked = performance.now()), true);
  new MutationObserver(() => {
    for (const v of document.querySelectorAll('video:not([data-timed])')) {
      v.setAttribute('data-timed', '');
      (v as HTMLVideoElement).requestVideoFrameCallback(() => (w.firstPicture ??= performance.now() - clicked));
    }
  }).observe(document, { childList: true, subtree: true });
}

/** Follows a link to the watch page as a person does, and returns the ms until the first picture. */
export async function firstPicture(page: Page, url: string, stream: string): Promise<number> {
  await page.goto(url);
  await page.locator('main').waitFor();
  await page.waitForTimeout(500); // the page has opened its connection when somebody clicks
  await page.evaluate((path) => {
    const a = document.createElement('a');
    a.href = path;
    document.body.append(a);
    a.click();
    a.remove();
  }, `/watch/${stream}`);
  const value = await page.waitForFunction(() => (window as unknown as { firstPicture?: number }).firstPicture, undefined, { timeout: 15_000, polling: 50 });
  return (await value.jsonValue()) as number;
}
