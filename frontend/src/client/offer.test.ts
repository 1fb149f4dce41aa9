import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { FakePeer, fakeBrowser, realBrowser } from './fakes';
import { Whep } from './whep';
import { Whip } from './whip';

const calls = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

beforeEach(() => {
  fakeBrowser();
  calls.mockReset();
  vi.stubGlobal('fetch', calls);
});
afterEach(realBrowser);

test('a WHEP session is posted, answered and deleted', async () => {
  calls.mockResolvedValueOnce(new Response('answer', { status: 201, headers: { Location: '/whep/harbour/x1' } }));
  calls.mockResolvedValueOnce(new Response(null));
  const w = new Whep('https://host/whep/harbour', 'key');
  await w.open();
  expect(FakePeer.last.remote).toBe('answer');
  expect(FakePeer.last.transceivers.map((t) => t.direction)).toEqual(['recvonly', 'recvonly']);
  await w.close();
  expect(calls.mock.calls.map(([url, o]) => [o.method, url])).toEqual([
    ['POST', 'https://host/whep/harbour'],
    ['DELETE', 'https://host/whep/harbour/x1'],
  ]);
  expect(calls.mock.calls[1]?.[1].headers).toMatchObject({ Authorization: 'Bearer key' });
});

test.each([
  [401, '', {}, 'unauthenticated'],
  [409, '{"code":"busy","detail":"taken"}', {}, 'busy'],
  [503, '{"code":"shutdown"}', { 'Retry-After': '5' }, 'shutdown'],
])('a WHIP refusal with %i becomes an error', async (status, body, headers, code) => {
  calls.mockResolvedValueOnce(new Response(body, { status, headers }));
  await expect(new Whip('https://host/whip/harbour', []).open()).rejects.toMatchObject({ code });
});
