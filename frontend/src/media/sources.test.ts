import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Connection } from '../client/connection';
import { FakeSocket, fakeBrowser, realBrowser, settle } from '../client/fakes';
import { discover, streamsOf, withLogin } from './cameras';
import { Arrival, loadEncoders } from './encoders';
import { PushesStore } from './pushes';
import { serverNow } from './rest';
import { SourcesStore, testSource } from './sources';
import { KeyStore } from './streamkey';

const calls = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();
const signal = new AbortController().signal;

beforeEach(() => {
  fakeBrowser();
  calls.mockReset();
  vi.stubGlobal('fetch', calls);
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false }));
  vi.stubGlobal('navigator', { onLine: true });
});
afterEach(realBrowser);

function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(status === 204 ? null : JSON.stringify(body), { status, headers });
}

function refusal(status: number, code: string, detail = 'A sentence.'): Response {
  return json({ title: 'x', status, detail, code }, status);
}

function asked(): string[] {
  return calls.mock.calls.map(([url, init]) => `${init.method} ${url.replace('/api/v1/', '')} ${(init.body as string | undefined) ?? ''}`.trim());
}

const camera = { stream: 'dock', url: 'rtsp://u:***@10.0.4.21/1', transport: 'tcp', when: 'watched', private: true, fixed: false, state: 'live', text: 'Playing.', since: 5 };
const choice = { url: 'rtsp://u:p@10.0.4.21/1', transport: 'auto', when: 'always', private: false } as const;

describe('SourcesStore', () => {
  test('lists, and lists anew after a change', async () => {
    const s = new SourcesStore();
    calls.mockImplementation(async () => json({ sources: [camera] }));
    s.start();
    await settle();
    expect(s.get()).toEqual({ list: [camera], problem: null });
    calls.mockImplementationOnce(async () => json(camera, 201)).mockImplementation(async () => json({ sources: [] }));
    await s.put('a b', choice);
    expect(s.get().list).toEqual([]);
    calls.mockImplementationOnce(async () => json(null, 204));
    await s.remove('dock');
    expect(asked()).toEqual(['GET sources', `PUT sources/a%20b ${JSON.stringify(choice)}`, 'GET sources', 'DELETE sources/dock', 'GET sources']);
    s.close();
  });

  test('an answer that was asked for before a change is not shown after it', async () => {
    const s = new SourcesStore();
    let answer: (r: Response) => void = () => {};
    calls.mockImplementationOnce(() => new Promise((resolve) => (answer = resolve)));
    s.start();
    await settle();
    calls.mockImplementationOnce(async () => json(null, 204)).mockImplementationOnce(async () => json({ sources: [] }));
    await s.remove('dock');
    answer(json({ sources: [camera] }));
    await settle();
    expect(s.get().list).toEqual([]);
    s.close();
  });

  test('says why it cannot list, and keeps what it has', async () => {
    const s = new SourcesStore();
    calls.mockImplementationOnce(async () => json({ sources: [{ ...camera, state: 'new to this page' }] }));
    s.start();
    await settle();
    expect(s.get().list?.[0]?.state).toBe('off');
    calls.mockImplementation(async () => refusal(403, 'denied'));
    await vi.advanceTimersByTimeAsync(2000);
    expect(s.get()).toMatchObject({ list: [{ stream: 'dock' }], problem: { code: 'denied', action: 'signin' } });
    s.close();
  });

  test('a refused change is thrown with the words of the server', async () => {
    calls.mockImplementationOnce(async () => refusal(422, 'refused', 'The address is private.'));
    await expect(new SourcesStore().put('a', choice)).rejects.toMatchObject({ code: 'refused', message: 'The address is private.' });
  });
});

test('a test of an address tells its tracks', async () => {
  const video = { kind: 'video', codec: 'H264', width: 640, height: 360 };
  calls.mockImplementationOnce(async () => json({ tracks: [video], diagnoses: null }));
  await expect(testSource({ ...choice, stream: 'dock' }, signal)).resolves.toEqual({ tracks: [video], diagnoses: [] });
  expect(asked()).toEqual(['POST sources/test {"url":"rtsp://u:p@10.0.4.21/1","transport":"auto","private":false,"stream":"dock"}']);
  calls.mockImplementationOnce(async () => refusal(422, 'wrong_password'));
  await expect(testSource(choice, signal)).rejects.toMatchObject({ title: 'The name or password is wrong' });
});

describe('PushesStore', () => {
  const push = { id: 'x', stream: 'a', url: 'rtmp://h/app/•••', enabled: true, fixed: false, state: 'live', text: '', since: 1, retries: 2, bytes: 9 };

  test('adds, turns and removes', async () => {
    const s = new PushesStore();
    calls.mockImplementation(async (_, init) => (init.method === 'GET' ? json({ pushes: [push] }) : json(null, 204)));
    s.start();
    await settle();
    expect(s.get().list).toEqual([push]);
    await s.add('a', 'rtmp://h/app/k');
    await s.turn('x', false);
    await s.remove('x');
    expect(asked().filter((a) => !a.startsWith('GET'))).toEqual(['POST pushes {"stream":"a","url":"rtmp://h/app/k"}', 'PATCH pushes/x {"enabled":false}', 'DELETE pushes/x']);
    s.close();
  });
});

describe('KeyStore', () => {
  test('loads, makes and replaces', async () => {
    const s = new KeyStore();
    calls.mockImplementationOnce(async () => refusal(404, 'no_key'));
    await s.open('ridge');
    expect(s.get()).toEqual({ stream: 'ridge', key: null, known: true, problem: null, busy: false });
    calls.mockImplementationOnce(async () => json({ stream: 'ridge', key: 'hk_1' }, 201));
    await expect(s.make()).resolves.toBe(true);
    expect(s.get()).toMatchObject({ key: 'hk_1', busy: false });
    calls.mockImplementationOnce(async () => refusal(429, 'throttled'));
    await expect(s.make()).resolves.toBe(false);
    expect(s.get()).toMatchObject({ key: 'hk_1', busy: false, problem: { code: 'throttled' } });
  });

  test('an answer for the name before does not count', async () => {
    const s = new KeyStore();
    let answer: (r: Response) => void = () => {};
    calls.mockImplementationOnce((_, init) => new Promise((resolve, reject) => {
      answer = resolve;
      init.signal?.addEventListener('abort', () => reject(init.signal?.reason));
    }));
    const first = s.open('old');
    calls.mockImplementationOnce(async () => json({ stream: 'new', key: 'hk_new' }));
    await s.open('new');
    answer(json({ stream: 'old', key: 'hk_old' }));
    await first;
    expect(s.get()).toMatchObject({ stream: 'new', key: 'hk_new' });
  });
});

test('cameras are found, asked, and get their login into the address', async () => {
  calls.mockImplementationOnce(async () => json({ cameras: [{ name: '', address: '10.0.4.21', endpoint: 'http://10.0.4.21/onvif' }] }));
  const [found] = await discover(signal);
  expect(found).toEqual({ name: '10.0.4.21', address: '10.0.4.21', endpoint: 'http://10.0.4.21/onvif' });
  calls.mockImplementationOnce(async () => json({ streams: [{ name: 'Main', url: 'rtsp://10.0.4.21/1', codec: 'H264', width: 2560, height: 1440 }] }));
  const [main] = await streamsOf(found!, 'root', 'p@ss:1', signal);
  expect(withLogin(main!.url, 'root', 'p@ss:1')).toBe('rtsp://root:p%40ss%3A1@10.0.4.21/1');
  expect(withLogin('rtsp://a:b@h/1?x=@', '', '')).toBe('rtsp://a:b@h/1?x=@');
});

test('doors that are shut are absent', async () => {
  calls.mockImplementationOnce(async () => json({ host: 'h', whip: 'https://h/whip', rtmp: '', transcoder: true }));
  await expect(loadEncoders(signal)).resolves.toEqual({ host: 'h', whip: 'https://h/whip', transcoder: true, encrypted: false });
});

test('the clock of the server is known from its answers', async () => {
  const date = new Date(Date.now() + 3_600_000).toUTCString();
  calls.mockImplementationOnce(async () => json({ host: 'h' }, 200, { Date: date }));
  await loadEncoders(signal);
  expect(Math.abs(serverNow() - Date.now() - 3_600_000)).toBeLessThan(1500);
  calls.mockImplementationOnce(async () => json({ host: 'h' }, 200, { Date: new Date().toUTCString() }));
  await loadEncoders(signal);
  expect(serverNow(7)).toBe(7);
});

describe('Arrival', () => {
  const offline = { name: 'ridge', title: '', state: 'offline', viewers: 0, tracks: [] };
  const live = { ...offline, state: 'live', proto: 'rtmp', tracks: [{ kind: 'video', codec: 'H264' }] };

  test('sees an encoder at once, and its numbers while it is there', async () => {
    const c = new Connection({ url: 'ws://test/ws' });
    c.start();
    const a = new Arrival(c, 'ridge');
    a.start();
    FakeSocket.last.welcome();
    await settle();
    expect(FakeSocket.last.of('follow')).toHaveLength(1);
    FakeSocket.last.say({ ch: 'rtc', type: 'stream', stream: offline });
    await vi.advanceTimersByTimeAsync(3000);
    expect(a.get()).toMatchObject({ stream: { state: 'offline' }, known: true });
    expect(calls).not.toHaveBeenCalled();
    FakeSocket.last.say({ ch: 'rtc', type: 'stream', stream: live });
    expect(a.get().stream?.state).toBe('live');
    calls.mockImplementation(async () => json({ ...live, tracks: [{ kind: 'video', codec: 'H264', width: 640, bitrate: 5 }] }));
    await vi.advanceTimersByTimeAsync(2000);
    expect(calls).toHaveBeenCalledTimes(2);
    expect(a.get().stream?.tracks[0]).toEqual({ kind: 'video', codec: 'H264', width: 640, bitrate: 5 });
    calls.mockImplementation(async () => refusal(404, 'not_live'));
    await vi.advanceTimersByTimeAsync(1000);
    expect(a.get().stream?.state).toBe('live');
    a.close();
    await settle();
    expect(FakeSocket.last.of('unfollow')).toHaveLength(1);
  });

  test('says when the server is gone', async () => {
    const c = new Connection({ url: 'ws://test/ws' });
    calls.mockImplementation(async () => json('ok'));
    c.start();
    const a = new Arrival(c, 'ridge');
    a.start();
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(600);
    expect(a.get().problem).toBeNull();
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1200);
    FakeSocket.last.drop();
    await vi.advanceTimersByTimeAsync(1000);
    expect(a.get().problem?.code).toBe('connection_lost');
    FakeSocket.last.welcome();
    await settle();
    expect(a.get().problem).toBeNull();
    a.close();
    c.close();
  });
});
