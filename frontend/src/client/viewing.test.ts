import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from './connection';
import { FakePeer, FakeSocket, FakeTrack, answering, fakeBrowser, realBrowser, settle } from './fakes';
import { Viewing } from './viewing';

beforeEach(fakeBrowser);
afterEach(realBrowser);

const live = { name: 'harbour', title: '', state: 'live', viewers: 1, tracks: [{ kind: 'video', codec: 'VP8' }] };

async function watching(more: object = {}): Promise<Viewing> {
  const c = new Connection({ url: 'ws://test/ws' });
  const v = new Viewing(c, { stream: 'harbour', token: 'key' });
  v.start();
  answering(FakeSocket.last, more);
  FakeSocket.last.welcome();
  await settle();
  return v;
}

async function up(): Promise<Viewing> {
  const v = await watching();
  FakePeer.last.become('connected');
  return v;
}

function say(type: string, more: object): void {
  FakeSocket.last.say({ ch: 'rtc', type, message: '', ...more });
}

function sayStream(more: object = {}): void {
  say('stream', { stream: { ...live, ...more } });
}

test('offers to receive both kinds and is up when connected', async () => {
  const v = await watching();
  expect(FakeSocket.last.of('watch')).toEqual([{ ch: 'rtc', type: 'watch', id: 'w1', stream: 'harbour', sdp: 'offer 1', token: 'key' }]);
  expect(FakePeer.last.transceivers.map((t) => [t.kind, t.direction])).toEqual([['video', 'recvonly'], ['audio', 'recvonly']]);
  expect(FakePeer.last.remote).toBe('answer');
  expect(v.link).toBe('connecting');
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
});

const restart = { ch: 'rtc', type: 'restart', id: 'w1', session: 's-w1', token: 'key' };

/** A new socket takes the old one's place. */
async function reconnect(more: object = {}): Promise<void> {
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  answering(FakeSocket.last, more);
  FakeSocket.last.welcome();
  await settle();
}

test('an interruption gets an ICE restart at once, and the socket a test', async () => {
  const v = await up();
  const pings = FakeSocket.last.of('ping').length;
  FakePeer.last.become('disconnected');
  expect(v.link).toBe('interrupted');
  await settle();
  expect(FakeSocket.last.of('restart')).toEqual([{ ...restart, sdp: 'offer 2 restart' }]);
  expect(FakeSocket.last.of('ping').length).toBeGreaterThan(pings);
  FakePeer.last.become('connected');
  await settle();
  expect(v.link).toBe('up');
  expect(FakePeer.all.length).toBe(1);
});

test('a network that changes over and over gets a restart a second', async () => {
  const v = await up();
  FakePeer.last.become('disconnected');
  for (let i = 0; i < 29; i++) {
    v.hurry();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(FakeSocket.last.of('restart').length).toBe(3);
});

test('a good path is not restarted', async () => {
  const v = await up();
  v.hurry();
  await settle();
  expect(FakeSocket.last.of('restart')).toEqual([]);
});

test('a failed path is looked for again in the same session', async () => {
  const v = await up();
  FakePeer.last.become('disconnected');
  await vi.advanceTimersByTimeAsync(8000);
  FakePeer.last.become('failed');
  await settle();
  expect(FakeSocket.last.of('restart').length).toBe(2);
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
  expect(FakePeer.all.length).toBe(1);
});

test('while the network is away nothing ends, and its return goes on with the session', async () => {
  const v = await up();
  const track = new FakeTrack('video');
  FakePeer.last.ontrack?.({ track });
  FakeSocket.last.drop();
  FakePeer.last.become('disconnected');
  for (let t = 0; t < 50; t += 5) {
    await vi.advanceTimersByTimeAsync(5000);
    if (t === 20) FakePeer.last.become('failed');
    if (FakeSocket.last.readyState === 0) FakeSocket.last.drop();
  }
  expect(v.link).toBe('interrupted');
  if (FakeSocket.last.readyState === 3) await vi.advanceTimersByTimeAsync(2000);
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of('restart')).toEqual([{ ...restart, sdp: 'offer 2 restart' }]);
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
  expect(FakePeer.all.length).toBe(1);
  expect(v.media.getTracks()).toEqual([track]);
});

test('a session that the server has given up is opened anew at once', async () => {
  const v = await up();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  const s = FakeSocket.last;
  answering(s);
  const { onsent } = s;
  s.onsent = (m) => (m.type === 'restart' ? say('error', { id: m.id, code: 'no_session' }) : onsent(m));
  s.welcome();
  await settle();
  expect(s.of('restart').length).toBe(1);
  expect(s.of('watch').map((m) => m.id)).toEqual(['w2']);
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
});

test('a restart that comes too soon for the server is repeated', async () => {
  const v = await up();
  const s = FakeSocket.last;
  s.onsent = (m) => void (m.type === 'restart' && say('error', { id: m.id, code: 'throttled', retryAfter: 1 }));
  FakePeer.last.become('disconnected');
  await settle();
  answering(s);
  await vi.advanceTimersByTimeAsync(1000);
  expect(s.of('restart').length).toBe(2);
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
});

test('a restart uses the relays of the new socket', async () => {
  await up();
  const servers = [{ urls: ['turn:host:1?transport=tcp'], username: 'u', credential: 'c' }];
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  FakeSocket.last.open();
  say('ice', { iceServers: servers });
  FakeSocket.last.say({ type: 'welcome', version: 1, server: 'test', time: 1 });
  await settle();
  expect(FakePeer.last.config.iceServers).toEqual(servers);
});

test('a broken encryption gets a new session, and the picture stays until the new one’s', async () => {
  const v = await up();
  const old = FakePeer.last;
  const first = new FakeTrack('video');
  old.ontrack?.({ track: first });
  old.dtls = 'failed';
  old.become('failed');
  await settle();
  expect(v.link).toBe('interrupted');
  expect(old.closed).toBe(false);
  expect(FakeSocket.last.of('stop')).toEqual([{ ch: 'rtc', type: 'stop', id: 'w1' }]);
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.of('watch').length).toBe(2);
  FakePeer.last.become('connected');
  const second = new FakeTrack('video', true);
  FakePeer.last.ontrack?.({ track: second });
  expect(v.media.getTracks()).toEqual([first]);
  second.dispatchEvent(new Event('unmute'));
  expect(v.media.getTracks()).toEqual([second]);
  expect(old.closed).toBe(true);
});

test('a path that is never found is given up and looked for again', async () => {
  const v = await watching();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(v.error?.code).toBe('unreachable');
  await vi.advanceTimersByTimeAsync(500);
  expect(FakePeer.all.length).toBe(2);
});

test('a new socket takes the session along, though its path is good', async () => {
  const v = await up();
  await reconnect();
  expect(v.link).toBe('up');
  expect(FakeSocket.last.of('watch')).toEqual([]);
  expect(FakeSocket.last.of('restart')).toEqual([{ ...restart, sdp: 'offer 2 restart' }]);
});

test('without a secret a new socket gets a new session', async () => {
  const v = await watching({ session: undefined });
  FakePeer.last.become('connected');
  await reconnect();
  expect(FakeSocket.last.of('watch').map((m) => m.id)).toEqual(['w2']);
  FakePeer.last.become('connected');
  expect(v.link).toBe('up');
});

test('a path that never came after a restart is given up while the server answers', async () => {
  const v = await up();
  FakePeer.last.become('disconnected');
  await vi.advanceTimersByTimeAsync(12_000);
  expect(v.error?.code).toBe('unreachable');
  await vi.advanceTimersByTimeAsync(500);
  expect(FakePeer.all.length).toBe(2);
});

test('somebody else who signs in gets sessions of their own', async () => {
  const c = new Connection({ url: 'ws://test/ws' });
  const v = new Viewing(c, { stream: 'harbour' });
  v.start();
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  FakePeer.last.become('connected');
  c.reconnect();
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of('restart')).toEqual([]);
  expect(FakeSocket.last.of('watch').length).toBe(1);
});

test('a stream that is not live is waited for', async () => {
  const v = await watching();
  sayStream({ state: 'offline' });
  say('stopped', { id: 'w1', code: 'ended' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(v.link).toBe('parked');
  expect(v.error?.code).toBe('ended');
  expect(FakePeer.all.length).toBe(1);
  sayStream();
  await settle();
  expect(v.link).toBe('connecting');
  expect(FakePeer.all.length).toBe(2);
});

test('a refusal that crossed with the stream’s going live is tried again', async () => {
  const v = await watching();
  sayStream();
  say('stopped', { id: 'w1', code: 'not_live' });
  await vi.advanceTimersByTimeAsync(500);
  expect(v.link).toBe('connecting');
  expect(FakePeer.all.length).toBe(2);
});

test('an unknown codec waits for another one', async () => {
  const v = await watching();
  sayStream({ tracks: [{ kind: 'video', codec: 'H265' }] });
  v.retry();
  await settle();
  say('stopped', { id: 'w2', code: 'unsupported_codec', codec: 'H265' });
  await settle();
  sayStream({ tracks: [{ kind: 'video', codec: 'H265' }], viewers: 2 });
  await settle();
  expect(v.link).toBe('parked');
  sayStream();
  await settle();
  expect(v.link).toBe('connecting');
});

test('a refusal stays until somebody tries again', async () => {
  const v = await watching();
  say('stopped', { id: 'w1', code: 'denied' });
  await vi.advanceTimersByTimeAsync(60_000);
  sayStream();
  await settle();
  expect(v.link).toBe('parked');
  v.retry();
  await settle();
  expect(FakePeer.all.length).toBe(2);
});

test('close ends the session on the server and everything here', async () => {
  const v = await up();
  v.close();
  await settle();
  expect(FakeSocket.last.of('stop').length).toBe(1);
  expect(FakeSocket.last.of('unfollow').length).toBe(1);
  expect(FakePeer.last.closed).toBe(true);
  expect(v.link).toBe('idle');
});
