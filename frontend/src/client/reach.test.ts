import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakePeer, FakeSocket, fakeBrowser, realBrowser, settle } from './fakes';
import { keepOnly, tryWays, type Trial } from './reach';

const answer = [
  'v=0', 'a=ice-lite', 'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
  'a=candidate:1 1 udp 2130706431 203.0.113.7 8443 typ host', 'a=candidate:2 1 tcp 1671430143 203.0.113.7 8443 typ host tcptype passive', 'a=end-of-candidates', '',
].join('\r\n');
const links = '<turn:media.example:8443?transport=tcp>; rel="ice-server"; username="u"; credential="c", <turns:media.example:8443?transport=tcp>; rel="ice-server"; username="u"; credential="c"';

const posts = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  fakeBrowser();
  posts.mockReset();
  posts.mockImplementation(async () => new Response(answer, { status: 201, headers: { Link: links } }));
  vi.stubGlobal('fetch', posts);
});
afterEach(realBrowser);

/** Begins a test; the connections stand in the order of the ways: UDP, TCP, TCP relay, TLS relay. */
async function testing(): Promise<{ of: (way: string) => Trial | undefined; done: Promise<void>; abort: AbortController }> {
  const trials: Trial[] = [];
  const abort = new AbortController();
  const done = tryWays('https://media.example', (t) => trials.push(t), abort.signal);
  done.catch(() => undefined);
  await settle();
  return { of: (way) => trials.find((t) => t.way === way), done, abort };
}

test('each way is tried alone, all at the same time', async () => {
  const { done, of } = await testing();
  expect(FakeSocket.last.url).toBe('wss://media.example/ws');
  expect(FakePeer.all.length).toBe(4);
  const [udp, tcp, relayTCP, relayTLS] = FakePeer.all as [FakePeer, FakePeer, FakePeer, FakePeer];
  expect(udp.remote).toContain(' udp ');
  expect(udp.remote).not.toContain(' tcp ');
  expect(tcp.remote).not.toContain(' udp ');
  expect([udp.config, tcp.config]).toEqual([{}, {}]);
  expect(relayTCP.config).toEqual({ iceTransportPolicy: 'relay', iceServers: [{ urls: 'turn:media.example:8443?transport=tcp', username: 'u', credential: 'c' }] });
  expect(relayTLS.config.iceServers).toMatchObject([{ urls: 'turns:media.example:8443?transport=tcp' }]);
  expect(of('udp')).toBeUndefined();
  FakeSocket.last.welcome();
  for (const pc of FakePeer.all) pc.check('connected');
  await done;
  expect(['websocket', 'udp', 'tcp', 'relay-tcp', 'relay-tls'].map((w) => of(w)?.outcome)).toEqual(Array(5).fill('open'));
  expect(of('udp')?.targets).toEqual(['203.0.113.7 8443']);
  expect(of('relay-tls')?.targets).toEqual(['turns:media.example:8443?transport=tcp']);
  expect(FakePeer.all.every((pc) => pc.closed)).toBe(true);
  expect(FakeSocket.last.code).toBe(1000);
});

test('verdicts come as they are known, and none waits for ever', async () => {
  const { done, of } = await testing();
  await vi.advanceTimersByTimeAsync(120);
  FakePeer.all[1]?.check('completed');
  FakePeer.all[2]?.gather();
  await settle();
  expect(of('tcp')).toMatchObject({ outcome: 'open' });
  expect(of('tcp')?.ms).toBeGreaterThanOrEqual(120);
  expect(of('relay-tcp'), 'a relay without a candidate').toMatchObject({ outcome: 'blocked' });
  FakePeer.all[3]?.gather('candidate:1');
  await vi.advanceTimersByTimeAsync(5000);
  expect(of('udp')).toMatchObject({ outcome: 'blocked' });
  expect(of('relay-tls')).toBeUndefined();
  await vi.advanceTimersByTimeAsync(5000);
  await done;
  expect(of('relay-tls')).toMatchObject({ outcome: 'blocked' });
  expect(of('websocket')).toMatchObject({ outcome: 'blocked' });
});

test('what the server does not offer is no fault of the network', async () => {
  posts.mockImplementation(async () => new Response(answer.replace(/a=candidate:2.*\r\n/, ''), { status: 201 }));
  const { of } = await testing();
  expect(['tcp', 'relay-tcp', 'relay-tls'].map((w) => of(w)?.outcome)).toEqual(['absent', 'absent', 'absent']);
});

test.each<[string, () => Promise<Response>, string]>([
  ['throttled', async () => new Response('{"code":"throttled","detail":"Too many."}', { status: 429 }), 'throttled'],
  ['gone', () => Promise.reject(new TypeError('Failed to fetch')), 'connection_lost'],
  ['silent', () => Promise.reject(new DOMException('', 'TimeoutError')), 'timeout'],
])('a server that is %s leaves the ways untested', async (_, respond, code) => {
  posts.mockImplementation(respond);
  const { of } = await testing();
  expect(of('udp')).toMatchObject({ outcome: 'untested', error: { code } });
});

test('a hello that is refused came through', async () => {
  const { of } = await testing();
  FakeSocket.last.open();
  FakeSocket.last.say({ type: 'error', code: 'throttled', message: '' });
  await settle();
  expect(of('websocket')).toMatchObject({ outcome: 'open', error: { code: 'throttled' } });
});

test('a test can be called off', async () => {
  const { done, abort } = await testing();
  abort.abort();
  await expect(done).rejects.toMatchObject({ name: 'AbortError' });
  await settle();
  expect(FakePeer.all.every((pc) => pc.closed)).toBe(true);
  expect(FakeSocket.last.readyState).toBe(3);
});

test('the answer keeps one protocol', () => {
  expect(keepOnly('v=0\r\na=candidate:1 1 UDP 1 a 1 typ host\r\na=candidate:2 1 tcp 1 b 2 typ host\r\n', 'udp')).toEqual({ sdp: 'v=0\r\na=candidate:1 1 UDP 1 a 1 typ host\r\n', targets: ['a 1'] });
});
