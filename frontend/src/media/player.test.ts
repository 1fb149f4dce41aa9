import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from '../client/connection';
import { FakePeer, FakeSocket, answering, fakeBrowser, realBrowser, serverTime, settle } from '../client/fakes';
import { PlayerStore } from './player';

beforeEach(() => {
  fakeBrowser();
  vi.stubGlobal('document', new EventTarget());
  vi.stubGlobal('navigator', { onLine: true });
});
afterEach(realBrowser);

class FakeVideo extends EventTarget {
  srcObject: unknown = null;
  muted = false;
  volume = 1;
  paused = true;
  forbids: 'nothing' | 'sound' | 'all' = 'nothing';
  frame: ((now?: number, meta?: { rtpTimestamp?: number }) => void) | null = null;
  async play() {
    if (this.forbids === 'all' || (this.forbids === 'sound' && !this.muted)) throw new DOMException('', 'NotAllowedError');
    this.paused = false;
  }
  pause() {
    this.paused = true;
  }
  requestVideoFrameCallback(fn: (now?: number, meta?: { rtpTimestamp?: number }) => void) {
    this.frame = fn;
    return 1;
  }
  cancelVideoFrameCallback() {
    this.frame = null;
  }
  get element() {
    return this as unknown as HTMLVideoElement;
  }
}

function stream(state: string, more: object = {}): void {
  FakeSocket.last.say({ ch: 'rtc', type: 'stream', stream: { name: 'harbour', title: '', state, viewers: 1, tracks: [{ kind: 'video', codec: 'VP8' }], ...more } });
}

async function player(): Promise<PlayerStore> {
  const p = new PlayerStore(new Connection({ url: 'ws://test/ws' }), 'harbour');
  p.start();
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  stream('live');
  FakePeer.last.become('connected');
  return p;
}

let decoded = 0;
/** Frames come for this long, and packets of sound. */
async function flow(ms: number, sound = 0): Promise<void> {
  for (let t = 0; t < ms; t += 500) {
    FakePeer.last.report = new Map([['V', { id: 'V', type: 'inbound-rtp', kind: 'video', framesDecoded: (decoded += 15), timestamp: Date.now() }],
      ['A', { id: 'A', type: 'inbound-rtp', kind: 'audio', packetsReceived: sound }]]);
    await vi.advanceTimersByTimeAsync(500);
  }
}

test('is live when frames come, reconnecting 2 s after the last, live with the next', async () => {
  const p = await player();
  expect(p.get().phase).toBe('connecting');
  await flow(2000);
  expect(p.get().phase).toBe('live');
  expect(p.get().stats?.framesDecoded).toBeGreaterThan(0);
  await vi.advanceTimersByTimeAsync(3000);
  expect(p.get().phase).toBe('reconnecting');
  await flow(1000);
  expect(p.get().phase).toBe('live');
});

test('a frame on the screen says so at once', async () => {
  const p = await player();
  const v = new FakeVideo();
  p.attach(v.element);
  v.frame?.();
  expect(p.get().phase).toBe('live');
});

test('away keeps the session, ended waits, live again starts by itself', async () => {
  const p = await player();
  await flow(2000);
  stream('away', { awaySince: 1 });
  await vi.advanceTimersByTimeAsync(2500);
  expect(p.get()).toMatchObject({ phase: 'away', stream: { awaySince: 1 } });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakePeer.all.length).toBe(1);
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'w1', code: 'ended', message: '' });
  stream('ended');
  await settle();
  expect(p.get().phase).toBe('ended');
  stream('offline');
  expect(p.get().phase).toBe('ended');
  stream('live');
  await settle();
  expect(p.get().phase).toBe('connecting');
  expect(FakePeer.all.length).toBe(2);
});

test('a session without media on a good path is replaced', async () => {
  await player();
  await vi.advanceTimersByTimeAsync(13_000);
  expect(FakeSocket.last.of('watch').length).toBe(2);
});

test('a codec that cannot be played is a problem with words', async () => {
  const p = await player();
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'w1', code: 'unsupported_codec', message: '', codec: 'AV1' });
  await settle();
  expect(p.get().phase).toBe('cannot-play');
});

test('sound that the browser forbids is off until somebody turns it on', async () => {
  const p = await player();
  const v = new FakeVideo();
  v.forbids = 'sound';
  p.attach(v.element);
  await flow(500, 10);
  expect(p.get()).toMatchObject({ muted: true, autoplayBlocked: true, paused: false });
  v.forbids = 'nothing';
  p.setMuted(false);
  await settle();
  expect(p.get()).toMatchObject({ muted: false, autoplayBlocked: false });
  expect(v.muted).toBe(false);
});

test('where no sound came there is none to turn on', async () => {
  const p = await player();
  const v = new FakeVideo();
  v.forbids = 'sound';
  p.attach(v.element);
  await flow(2000);
  expect(p.get()).toMatchObject({ phase: 'live', autoplayBlocked: false });
  await flow(500, 1);
  expect(p.get().autoplayBlocked).toBe(true);
});

test('a browser that forbids even silent pictures waits for play', async () => {
  const p = await player();
  const v = new FakeVideo();
  v.forbids = 'all';
  p.attach(v.element);
  await settle();
  expect(p.get().paused).toBe(true);
});

test('a pause falls behind, jumping to live catches up', async () => {
  const p = await player();
  const v = new FakeVideo();
  const detach = p.attach(v.element);
  await settle();
  p.pause();
  await vi.advanceTimersByTimeAsync(3000);
  expect(v.paused).toBe(true);
  expect(p.get().behind).toBeCloseTo(3);
  p.jumpToLive();
  await settle();
  expect(p.get()).toMatchObject({ paused: false, behind: 0 });
  expect(v.paused).toBe(false);
  detach();
  expect(v.srcObject).toBeNull();
});

test('a lost server is said after the second try', async () => {
  const p = await player();
  await flow(1000);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(500);
  expect(p.get().problem).toBeNull();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(2500);
  expect(p.get()).toMatchObject({ phase: 'reconnecting', problem: { code: 'connection_lost' } });
});

test('close stops everything', async () => {
  const p = await player();
  p.close();
  await settle();
  expect(FakeSocket.last.of('stop').length).toBe(1);
  expect(FakePeer.last.closed).toBe(true);
});

test('a browser without WebRTC is told so', () => {
  vi.stubGlobal('RTCPeerConnection', undefined);
  const p = new PlayerStore(new Connection({ url: 'ws://test/ws' }), 'harbour');
  p.start();
  expect(p.get()).toMatchObject({ phase: 'cannot-play', problem: { code: 'no_webrtc' } });
});

test('a server that restarts is reconnecting at once, whatever frames still come', async () => {
  const p = await player();
  await flow(2000);
  expect(p.get().phase).toBe('live');
  FakeSocket.last.drop(1012);
  await settle();
  expect(p.get()).toMatchObject({ phase: 'reconnecting', problem: { code: 'shutdown' } });
});

test('so it is when the server ends the session before', async () => {
  const p = await player();
  await flow(2000);
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'w1', code: 'shutdown', message: '' });
  await settle();
  expect(p.get().phase).toBe('reconnecting');
});

function data(name: string, more: object): void {
  FakeSocket.last.say({ ch: 'rtc', type: 'data', stream: 'harbour', name, time: serverTime(), value: [1], ...more });
}

test('data comes in time with the picture', async () => {
  const p = await player();
  const v = new FakeVideo();
  p.attach(v.element);
  const told: string[] = [];
  p.ondata = (m) => told.push(m.name);
  v.frame?.(0, { rtpTimestamp: 90_000 });
  data('goal', { rtp: 93_000 });
  data('elsewhere', { rtp: 0, stream: 'other' });
  await settle();
  expect(told).toEqual([]);
  v.frame?.(0, { rtpTimestamp: 93_000 });
  expect(told).toEqual(['goal']);
  await flow(500);
  expect(p.get().data).toEqual({ name: 'goal', at: expect.any(Number) });
});

test('data of streams without pictures comes by the clock', async () => {
  const p = await player();
  const told: string[] = [];
  p.ondata = (m) => told.push(m.name);
  data('cue', { time: serverTime() + 300 });
  await vi.advanceTimersByTimeAsync(250);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(100);
  expect(told).toEqual(['cue']);
  data('late', { time: serverTime() + 300 });
  p.close();
  await vi.advanceTimersByTimeAsync(1000);
  expect(told).toEqual(['cue']);
});

test('what browsers cannot play is said with its cause', async () => {
  const p = await player();
  stream('live', { diagnoses: [{ code: 'b_frames', kind: 'video', text: 'The encoder sends B-frames.', fix: 'Turn them off.' }] });
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'w1', code: 'unsupported_codec', message: '', codec: 'H264' });
  await settle();
  expect(p.get()).toMatchObject({ phase: 'cannot-play', problem: { title: 'Browsers cannot play this stream', message: 'The encoder sends B-frames.' } });
  // The cured encoder sends the same codec.
  stream('live');
  await settle();
  expect(p.get().phase).toBe('connecting');
});
