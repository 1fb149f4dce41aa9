import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { SessionStore } from './session';
import { StreamsStore } from './streams';

const calls = vi.fn<(url: string, init: RequestInit) => Promise<Response>>();

class FakePage extends EventTarget {
  hidden = false;
}
let page: FakePage;

beforeEach(() => {
  vi.useFakeTimers();
  calls.mockReset();
  page = new FakePage();
  vi.stubGlobal('fetch', calls);
  vi.stubGlobal('document', page);
  vi.stubGlobal('navigator', { onLine: true });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

function json(body: unknown, status = 200): Response {
  return new Response(JSON.stringify(body), { status });
}

const nobody = { user: null, setupNeeded: false, open: true, version: '0.1.0' };
const ada = { ...nobody, user: { name: 'ada', role: 'admin' } };

test('signs in and out', async () => {
  const s = new SessionStore();
  expect(s.get()).toBeNull();
  calls.mockResolvedValueOnce(json(nobody));
  await s.load();
  expect(s.get()).toEqual(nobody);
  calls.mockResolvedValueOnce(json(ada));
  await s.signIn('ada', 'pw');
  expect(s.get()?.user?.name).toBe('ada');
  expect(calls.mock.lastCall?.[1]).toMatchObject({ method: 'POST', body: '{"user":"ada","password":"pw"}' });
  calls.mockResolvedValueOnce(new Response(null, { status: 204 })).mockResolvedValueOnce(json(nobody));
  await s.signOut();
  expect(s.get()?.user).toBeNull();
});

test('a wrong password is said so, and the state stays', async () => {
  const s = new SessionStore();
  calls.mockResolvedValueOnce(json({ type: 'about:blank', title: 'Unauthorized', status: 401, detail: 'x', code: 'unauthenticated' }, 401));
  await expect(s.signIn('ada', 'no')).rejects.toMatchObject({ title: 'That did not match' });
  expect(s.get()).toBeNull();
});

test.each([
  [401, 'unauthenticated', 'long enough', 'This set-up link does not work', /printed/],
  [409, 'already_set_up', 'long enough', 'This set-up link was used', /Sign in/],
  [400, 'bad_request', 'abc', 'The password is too short', /^A rule/],
  [400, 'bad_request', 'long enough', 'The server does not take this name or password', /^A rule/],
  [429, 'throttled', 'long enough', 'Too many tries', /^A rule/],
])('a set-up that is refused with %i %s has words', async (status, code, password, title, message) => {
  const s = new SessionStore();
  calls.mockResolvedValueOnce(json({ title: 'Bad Request', detail: 'A rule of the server.', code }, status));
  await expect(s.setUp('t', 'ada', password)).rejects.toMatchObject({ code, title, message: expect.stringMatching(message) });
});

test('no server, no problem document, no JSON', async () => {
  const s = new SessionStore();
  calls.mockRejectedValueOnce(new TypeError('failed to fetch'));
  await expect(s.load()).rejects.toMatchObject({ code: 'connection_lost' });
  calls.mockResolvedValueOnce(new Response('<html>', { status: 502 }));
  await expect(s.load()).rejects.toMatchObject({ code: 'http_502' });
  calls.mockResolvedValueOnce(new Response('<html>'));
  await expect(s.load()).rejects.toMatchObject({ code: 'bad_version' });
});

const harbour = { name: 'harbour', title: 'Dawn', state: 'live', viewers: 3, tracks: [] };

test('the list is fetched every 5 s while the page is seen', async () => {
  calls.mockImplementation(async () => json({ streams: [harbour] }));
  const s = new StreamsStore();
  s.start();
  await vi.advanceTimersByTimeAsync(10_001);
  expect(calls).toHaveBeenCalledTimes(3);
  expect(s.get()).toEqual({ streams: [harbour], problem: null });
  page.hidden = true;
  await vi.advanceTimersByTimeAsync(60_000);
  expect(calls).toHaveBeenCalledTimes(3);
  page.hidden = false;
  page.dispatchEvent(new Event('visibilitychange'));
  await vi.advanceTimersByTimeAsync(1);
  expect(calls).toHaveBeenCalledTimes(4);
  s.close();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(calls).toHaveBeenCalledTimes(4);
});

test('a failed fetch keeps the list and says why, until the next one', async () => {
  calls.mockResolvedValueOnce(json({ streams: [harbour] }));
  const s = new StreamsStore();
  s.start();
  await vi.advanceTimersByTimeAsync(1);
  calls.mockRejectedValueOnce(new TypeError('failed to fetch'));
  await vi.advanceTimersByTimeAsync(5000);
  expect(s.get()).toMatchObject({ streams: [harbour], problem: { code: 'connection_lost' } });
  calls.mockResolvedValueOnce(json({ streams: [{ state: 'odd' }] }));
  await vi.advanceTimersByTimeAsync(5000);
  expect(s.get().streams).toEqual([harbour]);
  calls.mockResolvedValueOnce(json({ streams: [] }));
  await vi.advanceTimersByTimeAsync(5000);
  expect(s.get()).toEqual({ streams: [], problem: null });
  s.close();
});
