import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakePeer, fakeBrowser, realBrowser, settle } from './fakes';
import { restartedAnswer, restartFragment } from './fragment';
import { linkedServers } from './servers';
import { Whep } from './whep';
import { Whip } from './whip';

const calls = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  fakeBrowser();
  calls.mockReset();
  vi.stubGlobal('fetch', calls);
});
afterEach(realBrowser);

const answer = 'v=0\r\nm=video 9 X 96\r\na=ice-ufrag:old\r\na=ice-pwd:oldpwd\r\na=candidate:1 1 udp 1 10.0.0.1 8443 typ host\r\n';
const fragment = 'a=ice-lite\r\nm=video 9 X 0\r\na=mid:0\r\na=ice-ufrag:new\r\na=ice-pwd:newpwd\r\na=candidate:2 1 udp 1 10.0.0.2 8443 typ host\r\n';

function created(headers: Record<string, string> = {}): Response {
  return new Response(answer, { status: 201, headers: { Location: '/whep/harbour/x1', ETag: '"a"', ...headers } });
}

/** A WHEP session whose path is good. */
async function watching(headers: Record<string, string> = {}): Promise<Whep> {
  calls.mockResolvedValueOnce(created(headers));
  const w = new Whep('https://host/whep/harbour', 'key');
  await w.open();
  FakePeer.last.become('connected');
  return w;
}

test('a WHEP session is posted, answered and deleted', async () => {
  const w = await watching();
  expect(FakePeer.last.remote).toBe(answer);
  expect(FakePeer.last.transceivers.map((t) => t.direction)).toEqual(['recvonly', 'recvonly']);
  calls.mockResolvedValueOnce(new Response(null));
  await w.close();
  expect(calls.mock.calls.map(([url, o]) => [o.method, url])).toEqual([
    ['POST', 'https://host/whep/harbour'],
    ['DELETE', 'https://host/whep/harbour/x1'],
  ]);
  expect(calls.mock.calls[1]?.[1].headers).toMatchObject({ Authorization: 'Bearer key' });
});

test('the relays of the answer are there before anything is gathered', async () => {
  const told: unknown[] = [];
  vi.spyOn(FakePeer.prototype, 'setLocalDescription').mockImplementation(async function (this: FakePeer) {
    told.push(this.config.iceServers);
  });
  await watching({ Link: '<turn:host:8443?transport=tcp>; rel="ice-server"; username="u"; credential="c"; credential-type="password"' });
  expect(told).toEqual([[{ urls: 'turn:host:8443?transport=tcp', username: 'u', credential: 'c' }]]);
});

test('a broken path is mended in the same session', async () => {
  const w = await watching();
  w.onlost = () => expect.unreachable();
  FakePeer.last.offer = 'm=audio 9 X 111\r\na=mid:0\r\na=ice-ufrag:mine\r\na=ice-pwd:minepwd\r\n';
  calls.mockRejectedValueOnce(new TypeError('offline')).mockResolvedValueOnce(new Response(fragment, { status: 200, headers: { ETag: '"b"' } }));
  FakePeer.last.become('disconnected');
  await vi.advanceTimersByTimeAsync(300);
  const [url, o] = calls.mock.calls[2] ?? [];
  expect([url, o?.method]).toEqual(['https://host/whep/harbour/x1', 'PATCH']);
  expect(o?.headers).toMatchObject({ 'Content-Type': 'application/trickle-ice-sdpfrag', 'If-Match': '*' });
  expect(o?.body).toBe('a=ice-ufrag:mine\r\na=ice-pwd:minepwd\r\nm=audio 9 X 111\r\na=mid:0\r\n');
  expect(FakePeer.last.remote).toContain('a=ice-ufrag:new\r\na=ice-pwd:newpwd\r\na=candidate:2 ');
  FakePeer.last.become('connected');
  await vi.advanceTimersByTimeAsync(60_000);
  expect(calls.mock.calls.length).toBe(3);
});

test.each([404, 412, 405])('a session that the server answers with %i is lost', async (status) => {
  const w = await watching();
  const lost = vi.fn();
  w.onlost = lost;
  calls.mockResolvedValueOnce(new Response(null, { status }));
  FakePeer.last.become('failed');
  await settle();
  await vi.advanceTimersByTimeAsync(10);
  expect(lost).toHaveBeenCalledExactlyOnceWith(expect.objectContaining({ code: 'no_session' }));
});

test('a server without ETags is not asked to restart', async () => {
  calls.mockResolvedValueOnce(new Response(answer, { status: 201, headers: { Location: '/x' } }));
  const w = new Whip('https://host/whip/harbour', []);
  const lost = vi.fn();
  w.onlost = lost;
  await w.open();
  FakePeer.last.become('connected');
  FakePeer.last.become('disconnected');
  await vi.advanceTimersByTimeAsync(10);
  expect(lost).toHaveBeenCalledTimes(1);
  expect(calls.mock.calls.length).toBe(1);
});

test('a network that is away for longer than the server waits loses the session', async () => {
  const w = await watching();
  const lost = vi.fn();
  w.onlost = lost;
  calls.mockRejectedValue(new TypeError('offline'));
  FakePeer.last.become('disconnected');
  await vi.advanceTimersByTimeAsync(55_000);
  expect(lost).not.toHaveBeenCalled();
  const before = calls.mock.calls.length;
  w.hurry();
  await settle();
  expect(calls.mock.calls.length).toBe(before + 1);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(lost).toHaveBeenCalledTimes(1);
});

test('close ends the mending', async () => {
  const w = await watching();
  w.onlost = () => expect.unreachable();
  calls.mockRejectedValueOnce(new TypeError('offline')).mockResolvedValueOnce(new Response(null));
  FakePeer.last.become('disconnected');
  await settle();
  await w.close();
  await vi.advanceTimersByTimeAsync(70_000);
  expect(calls.mock.calls.filter(([, o]) => o.method === 'PATCH').length).toBeLessThanOrEqual(1);
});

test.each([
  [401, '', {}, 'unauthenticated'],
  [409, '{"code":"busy","detail":"taken"}', {}, 'busy'],
  [503, '{"code":"shutdown"}', { 'Retry-After': '5' }, 'shutdown'],
])('a WHIP refusal with %i becomes an error', async (status, body, headers, code) => {
  calls.mockResolvedValueOnce(new Response(body, { status, headers }));
  await expect(new Whip('https://host/whip/harbour', []).open()).rejects.toMatchObject({ code });
});

test('fragments are made and read', () => {
  expect(restartFragment('v=0\r\na=ice-ufrag:u\r\nm=video 9 X 96\r\na=mid:7\r\na=ice-pwd:p\r\nm=audio 9 X 1\r\n')).toBe('a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=video 9 X 96\r\na=mid:7\r\n');
  expect(restartedAnswer(answer, fragment)).toBe(answer.replace('old', 'new').replace('oldpwd', 'newpwd').replace('candidate:1 1 udp 1 10.0.0.1', 'candidate:2 1 udp 1 10.0.0.2'));
  expect(restartedAnswer(answer, 'a=ice-ufrag:new\r\na=ice-pwd:p\r\n'), 'keeps the candidates').toContain('candidate:1');
  expect(restartedAnswer(answer, '')).toBeNull();
});

test.each<[string, RTCIceServer[]]>([
  ['', []],
  ['<https://a>; rel="next"', []],
  ['<turn:a:1?transport=tcp>; rel="ice-server"; username="u"; credential="a\\"b,c;d"; credential-type="password", <turns:a:1>; rel=ice-server',
    [{ urls: 'turn:a:1?transport=tcp', username: 'u', credential: 'a"b,c;d' }, { urls: 'turns:a:1' }]],
  ['<<>; rel="ice-server', []],
])('the servers of Link: %s', (link, servers) => {
  expect(linkedServers(new Headers(link ? { Link: link } : {}))).toEqual(servers);
});
