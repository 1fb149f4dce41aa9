import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection, socketAddress } from './connection';
import { FakeServer, FakeSocket, fakeBrowser, realBrowser, serverTime, settle } from './fakes';
import { Backoff } from './wait';

beforeEach(fakeBrowser);
afterEach(realBrowser);

function open(): Connection {
  const c = new Connection({ url: 'ws://test/ws' });
  c.start();
  FakeSocket.last.welcome();
  return c;
}

const offline = { name: 'harbour', title: '', state: 'offline', viewers: 0, tracks: [] };

test('says hello first and is open at the welcome', () => {
  const c = new Connection({ url: 'ws://test/ws', token: 'key' });
  expect(c.state).toBe('closed');
  c.start();
  FakeSocket.last.open();
  expect(FakeSocket.last.sent).toEqual([{ type: 'hello', version: 1, token: 'key' }]);
  expect(c.state).toBe('connecting');
  FakeSocket.last.say({ type: 'welcome', version: 1, server: 'x', time: 1, user: { name: 'ada', role: 'admin' } });
  expect(c.state).toBe('open');
  expect(c.user?.name).toBe('ada');
});

test('comes back quickly for a minute, then slowly', async () => {
  const c = new Connection({ url: 'ws://test/ws' });
  c.start();
  let passed = 0;
  for (const [i, ms] of [0, 250, 500, 1000, 1000, ...Array<number>(28).fill(2000), 5000, 10_000, 10_000].entries()) {
    FakeSocket.last.drop();
    expect(c.state).toBe('waiting');
    const from = Date.now();
    await vi.advanceTimersToNextTimerAsync();
    expect(FakeSocket.all.length).toBe(i + 2);
    expect(Date.now() - from).toBe(ms);
    passed += ms;
    if (ms > 2000) expect(passed).toBeGreaterThan(60_000);
  }
});

test('a try that hangs is given up after 3 s, and the next begins at once', async () => {
  open();
  FakeSocket.last.drop();
  for (let i = 0; i < 10; i++) await vi.advanceTimersByTimeAsync(3001);
  expect(FakeSocket.all.length).toBeGreaterThanOrEqual(10);
  expect(FakeSocket.all.slice(1, -1).every((s) => s.code !== undefined)).toBe(true);
});

test('the first try, and one on a slow network, has more time', async () => {
  const c = new Connection({ url: 'ws://test/ws' });
  c.start();
  await vi.advanceTimersByTimeAsync(2500);
  FakeSocket.last.welcome();
  await vi.advanceTimersByTimeAsync(100);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  await vi.advanceTimersByTimeAsync(7000);
  expect(FakeSocket.all.length).toBe(2);
});

test('a changed network begins a hanging try anew', async () => {
  const c = open();
  FakeSocket.last.drop();
  await settle();
  c.hurry();
  await settle();
  expect(FakeSocket.all.length).toBe(2);
  await vi.advanceTimersByTimeAsync(1000);
  c.hurry();
  await settle();
  expect(FakeSocket.all.length).toBe(3);
  FakeSocket.last.welcome();
  expect(c.state).toBe('open');
});

/** A connection that was good for long, and whose network goes away. */
async function cutOff(): Promise<Connection> {
  const c = open();
  await vi.advanceTimersByTimeAsync(10_000);
  FakeServer.answer = 'silent';
  FakeSocket.last.say = () => undefined;
  return c;
}

test('while the network is away it hails, and opens a socket when it is answered', async () => {
  const c = await cutOff();
  c.probe();
  await vi.advanceTimersByTimeAsync(12_000);
  expect(FakeSocket.all.length).toBe(1);
  expect(FakeServer.asked.length).toBeGreaterThan(5);
  expect(new Set(FakeServer.asked)).toEqual(new Set(['http://test/healthz']));
  expect(c.failingFor).toBeGreaterThan(10_000);
  FakeServer.answer = 200;
  await vi.advanceTimersByTimeAsync(2000);
  expect(FakeSocket.all.length).toBe(2);
  FakeSocket.last.welcome();
  expect(c.state).toBe('open');
});

test('few sockets are opened without a hail, even in a long outage', async () => {
  const c = await cutOff();
  c.probe();
  await vi.advanceTimersByTimeAsync(90_000);
  // Firefox keeps those for 90 s, and has six places.
  expect(FakeSocket.all.length).toBeGreaterThan(2);
  expect(FakeSocket.all.length).toBeLessThan(6);
});

test('a changed network ends a hail and begins another', async () => {
  const c = await cutOff();
  c.probe();
  await vi.advanceTimersByTimeAsync(701 + 600);
  const before = FakeServer.asked.length;
  FakeServer.answer = 200;
  c.hurry();
  await settle();
  expect(FakeServer.asked.length).toBe(before + 1);
  expect(FakeSocket.all.length).toBe(2);
});

test('a proxy without its server is no answer', async () => {
  const c = await cutOff();
  FakeServer.answer = 502;
  c.probe();
  await vi.advanceTimersByTimeAsync(5000);
  expect(FakeSocket.all.length).toBe(1);
  FakeServer.answer = 404; // it has no such page, but it lives
  await vi.advanceTimersByTimeAsync(2000);
  expect(FakeSocket.all.length).toBe(2);
});

test('a server that refuses sockets at once is not hailed', async () => {
  await cutOff();
  FakeServer.answer = 200;
  for (let ms = 0; ms < 8000; ms += 100) {
    if (FakeSocket.last.readyState !== 3) FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(FakeSocket.all.length).toBeGreaterThan(5);
  expect(FakeServer.asked).toEqual([]);
});

test('where hails are forbidden, sockets are opened without', async () => {
  const c = await cutOff();
  FakeServer.answer = 'refused';
  c.probe();
  await vi.advanceTimersByTimeAsync(5000);
  expect(FakeServer.asked.length).toBeGreaterThan(0);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
  FakeSocket.last.welcome();
  expect(c.state).toBe('open');
});

test('a browser that has no network hails, and opens a socket when it is answered', async () => {
  const c = await cutOff();
  vi.stubGlobal('navigator', { onLine: false });
  FakeServer.answer = 'refused';
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(8000);
  expect(FakeSocket.all.length).toBe(1);
  FakeServer.answer = 200; // a server on the same machine
  await vi.advanceTimersByTimeAsync(2000);
  expect(FakeSocket.all.length).toBe(2);
  FakeSocket.last.welcome();
  expect(c.state).toBe('open');
});

test('close ends a hail', async () => {
  const c = await cutOff();
  c.probe();
  await vi.advanceTimersByTimeAsync(1000);
  c.close();
  FakeServer.answer = 200;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all.length).toBe(1);
  expect(c.state).toBe('closed');
});

describe('a socket of a network that is gone', () => {
  test('is given up when the server answers to a hail', async () => {
    const c = await cutOff();
    FakeServer.answer = 200;
    c.probe();
    await vi.advanceTimersByTimeAsync(150);
    expect(FakeSocket.all.length).toBe(2);
    expect(c.state).toBe('connecting');
  });

  test('is not seen in one that is slow', async () => {
    const c = open();
    await vi.advanceTimersByTimeAsync(10_000);
    for (let i = 0; i < 4; i++) {
      c.probe();
      await vi.advanceTimersByTimeAsync(2000);
    }
    expect(FakeSocket.all.length).toBe(1);
    expect(FakeServer.asked.length).toBe(0);
  });

  test('is not looked for at every doubt: a stream may stand still for long', async () => {
    const c = open();
    await vi.advanceTimersByTimeAsync(10_000);
    const { say } = FakeSocket.last;
    // The pongs come, but late.
    FakeSocket.last.say = (m) => void setTimeout(() => say.call(FakeSocket.last, m), 400);
    FakeServer.answer = 'silent';
    for (let i = 0; i < 4; i++) {
      c.probe();
      await vi.advanceTimersByTimeAsync(2000);
    }
    expect(FakeSocket.all.length).toBe(1);
    expect(FakeServer.asked.length).toBe(1);
  });
});

test('only close is a goodbye', async () => {
  const c = open();
  await vi.advanceTimersByTimeAsync(1000);
  const silent = FakeSocket.last;
  silent.say = () => undefined;
  c.probe();
  await vi.advanceTimersByTimeAsync(700);
  expect(silent.code).toBe(4000);
  await vi.advanceTimersByTimeAsync(1);
  FakeSocket.last.welcome();
  c.close();
  expect(FakeSocket.last.code).toBe(1000);
});

test('a probe is not put off by the next', async () => {
  const c = open();
  await vi.advanceTimersByTimeAsync(1000);
  FakeSocket.last.say = () => undefined;
  for (let i = 0; i < 4; i++) {
    c.probe();
    await vi.advanceTimersByTimeAsync(200);
  }
  expect(c.state).not.toBe('open');
});

test('the delays are shortened at random by up to a half', () => {
  vi.mocked(Math.random).mockReturnValue(0);
  const b = new Backoff([500, 1000, 2000]);
  expect([b.next(), b.next(), b.next(3000)]).toEqual([250, 500, 3000]);
});

test('a server that welcomes and closes at once is not hammered', async () => {
  open();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(500);
  FakeSocket.last.welcome();
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(200);
  expect(FakeSocket.all.length).toBe(2);
});

test('waits at least as long as a server that shuts down says', async () => {
  open();
  FakeSocket.last.say({ ch: 'rtc', type: 'error', code: 'shutdown', message: '', retryAfter: 5 });
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(4999);
  expect(FakeSocket.all.length).toBe(1);
  await vi.advanceTimersByTimeAsync(1);
  expect(FakeSocket.all.length).toBe(2);
});

test('hurry ends the wait, and tests an open socket', async () => {
  const c = open();
  c.hurry();
  expect(FakeSocket.last.of('ping').length).toBeGreaterThan(0);
  FakeSocket.last.drop();
  c.hurry();
  expect(FakeSocket.all.length).toBe(2);
});

test('a silent socket is given up', async () => {
  const c = open();
  await vi.advanceTimersByTimeAsync(1000);
  const s = FakeSocket.last;
  s.say = () => undefined;
  await vi.advanceTimersByTimeAsync(25_000);
  expect(FakeSocket.all.length).toBeGreaterThan(1);
  expect(c.state).not.toBe('open');
});

test('a refused hello is final', async () => {
  const c = new Connection({ url: 'ws://test/ws', token: 'wrong' });
  c.start();
  const opened = expect(c.whenOpen(new AbortController().signal)).rejects.toMatchObject({ code: 'unauthenticated' });
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'unauthenticated', message: 'the token is wrong' });
  await opened;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(FakeSocket.all.length).toBe(1);
  expect(c.state).toBe('closed');
});

test('knows the server’s clock', async () => {
  const c = open();
  await vi.advanceTimersByTimeAsync(1000);
  expect(Math.abs(c.serverNow() - serverTime())).toBeLessThan(1);
});

test('follows, tells late comers the last state, follows again after a reconnect, unfollows', async () => {
  const c = open();
  const first = vi.fn();
  const second = vi.fn();
  const un1 = c.follow('harbour', first, 'key');
  expect(FakeSocket.last.of('follow')).toEqual([{ ch: 'rtc', type: 'follow', stream: 'harbour', token: 'key' }]);
  FakeSocket.last.say({ ch: 'rtc', type: 'stream', stream: offline });
  const un2 = c.follow('harbour', second);
  expect(first).toHaveBeenCalledTimes(1);
  expect(second).toHaveBeenCalledWith(offline);
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(500);
  FakeSocket.last.welcome();
  expect(FakeSocket.last.of('follow').length).toBe(1);
  un1();
  expect(FakeSocket.last.of('unfollow').length).toBe(0);
  un2();
  expect(FakeSocket.last.of('unfollow').length).toBe(1);
});

test('requests are answered, refused, lost, late or called off', async () => {
  const c = open();
  const ask = (id: string, signal?: AbortSignal) => c.request({ type: 'watch', id, stream: 'harbour', sdp: '' }, signal);
  const ok = ask('w1');
  FakeSocket.last.say({ ch: 'rtc', type: 'answer', id: 'w1', sdp: 'v=0' });
  expect((await ok).sdp).toBe('v=0');

  const refused = expect(ask('w2')).rejects.toMatchObject({ code: 'throttled', retryAfter: 2 });
  FakeSocket.last.say({ ch: 'rtc', type: 'error', id: 'w2', code: 'throttled', message: '', retryAfter: 2 });
  await refused;

  const late = expect(ask('w3')).rejects.toMatchObject({ code: 'timeout' });
  await vi.advanceTimersByTimeAsync(10_000);
  await late;

  const abort = new AbortController();
  const off = expect(ask('w4', abort.signal)).rejects.toMatchObject({ name: 'AbortError' });
  abort.abort();
  await off;

  const lost = expect(ask('w5')).rejects.toMatchObject({ code: 'connection_lost' });
  FakeSocket.last.drop();
  await lost;
  await expect(ask('w6')).rejects.toMatchObject({ code: 'connection_lost' });
});

test('one bad message costs only itself', async () => {
  const c = open();
  vi.spyOn(console, 'warn').mockReturnValue();
  FakeSocket.last.onmessage?.({ data: '{{' });
  expect(c.state).toBe('open');
});

test('close is the end, reconnect a new beginning', async () => {
  const c = open();
  c.reconnect();
  expect(FakeSocket.all.length).toBe(2);
  FakeSocket.last.welcome();
  expect(c.state).toBe('open');
  c.close();
  await vi.advanceTimersByTimeAsync(60_000);
  await settle();
  expect(FakeSocket.all.length).toBe(2);
  expect(c.state).toBe('closed');
});

test('the address of the socket follows that of the page', () => {
  expect(socketAddress('https://example.org')).toBe('wss://example.org/ws');
  expect(socketAddress('http://localhost:8080')).toBe('ws://localhost:8080/ws');
});
