import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from './connection';
import { FakePeer, FakeSocket, FakeTrack, answering, fakeBrowser, realBrowser, settle } from './fakes';
import { Publication } from './publication';

beforeEach(fakeBrowser);
afterEach(realBrowser);

const camera = () => new FakeTrack('video') as unknown as MediaStreamTrack;

async function publishing(resume?: string): Promise<Publication> {
  const p = new Publication(new Connection({ url: 'ws://test/ws' }), {
    stream: 'harbour', title: 'Dawn', tracks: [camera()], codec: 'VP8',
    limits: { videoBitrate: 1e6, audioBitrate: 64e3, fps: 30 }, ...(resume ? { resume } : {}),
  });
  p.start();
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  return p;
}

test('publishes what there is, and keeps the secret', async () => {
  const p = await publishing('earlier');
  expect(FakeSocket.last.of('publish')).toEqual([
    { ch: 'rtc', type: 'publish', id: 'p1', stream: 'harbour', sdp: 'offer 1', title: 'Dawn', resume: 'earlier' },
  ]);
  expect(FakePeer.last.transceivers.map((t) => [t.kind, t.direction])).toEqual([['video', 'sendonly']]);
  expect(p.link).toBe('connecting');
});

test('a lost session is taken over with the secret and never stopped', async () => {
  const p = await publishing();
  const secret = vi.fn();
  p.onresume = secret;
  FakePeer.last.become('connected');
  FakePeer.last.dtls = 'failed';
  FakePeer.last.become('failed');
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.of('stop')).toEqual([]);
  expect(FakeSocket.last.of('publish')[1]).toMatchObject({ id: 'p2', resume: 'secret' });
  expect(secret).toHaveBeenCalledWith('secret');
  expect(FakePeer.all[0]?.closed).toBe(true);
});

test('an encryption that broke with the path gets a new session with the next socket', async () => {
  await publishing();
  FakePeer.last.become('connected');
  FakeSocket.last.drop();
  FakePeer.last.iceConnectionState = 'failed';
  FakePeer.last.dtls = 'failed';
  FakePeer.last.become('failed');
  await vi.advanceTimersByTimeAsync(0);
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await vi.advanceTimersByTimeAsync(500);
  expect(FakeSocket.last.of('restart')).toEqual([]);
  expect(FakeSocket.last.of('publish')).toMatchObject([{ id: 'p2', resume: 'secret' }]);
});

test('a new socket takes the session along', async () => {
  const p = await publishing();
  FakePeer.last.become('connected');
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await settle();
  expect(FakeSocket.last.of('publish')).toEqual([]);
  expect(FakeSocket.last.of('restart')).toMatchObject([{ id: 'p1', session: 's-p1' }]);
  expect(FakePeer.all.length).toBe(1);
  expect(p.link).toBe('up');
  expect(p.setTitle('Noon')).toBe(true);
});

test('a network that the browser finds later gets a restart', async () => {
  await publishing();
  FakePeer.last.become('connected');
  FakePeer.last.gather('host', 'relay');
  FakePeer.last.onicecandidate?.({ candidate: null });
  await settle();
  expect(FakeSocket.last.of('restart')).toEqual([]);
  FakePeer.last.gather('host of another network', 'relay of it');
  await settle();
  expect(FakeSocket.last.of('restart')).toMatchObject([{ id: 'p1' }]);
  FakePeer.last.onicecandidate?.({ candidate: null });
  FakePeer.last.gather('host', 'relay');
  FakePeer.last.onicecandidate?.({ candidate: null });
  await settle();
  expect(FakeSocket.last.of('restart')).toHaveLength(1);
});

test('a session that the server has given up is published anew with the secret', async () => {
  await publishing();
  FakePeer.last.become('connected');
  FakeSocket.last.drop();
  await vi.advanceTimersByTimeAsync(0);
  const s = FakeSocket.last;
  s.onsent = (m) => void (m.type === 'restart' && s.say({ ch: 'rtc', type: 'error', id: m.id, code: 'no_session', message: '' }));
  s.welcome();
  await settle();
  expect(s.of('publish')).toMatchObject([{ id: 'p2', resume: 'secret' }]);
  expect(s.of('stop')).toEqual([]);
});

test.each(['busy', 'replaced', 'denied', 'ended', 'unauthenticated', 'bad_name'])('%s is for a person to solve', async (code) => {
  const p = await publishing();
  FakePeer.last.become('connected');
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'p1', code, message: '' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(p.link).toBe('parked');
  expect(p.error?.code).toBe(code);
  p.retry();
  await settle();
  expect(FakeSocket.last.of('publish').length).toBe(2);
});

test('a track of a kind that is sent is swapped, a new kind takes a new session', async () => {
  const p = await publishing();
  FakePeer.last.become('connected');
  const screen = camera();
  await p.setTrack('video', screen);
  expect(FakePeer.last.transceivers[0]?.sent).toBe(screen);
  expect(FakePeer.all.length).toBe(1);
  await p.setTrack('audio', new FakeTrack('audio') as unknown as MediaStreamTrack);
  await settle();
  expect(FakePeer.all.length).toBe(2);
  expect(FakePeer.last.transceivers.map((t) => t.kind)).toEqual(['video', 'audio']);
  expect(FakeSocket.last.of('stop')).toEqual([]);
});

test('titles and posters go out under the session’s id', async () => {
  const p = await publishing();
  expect(p.sendPoster('aGk=')).toBe(false);
  FakePeer.last.become('connected');
  expect(p.sendPoster('aGk=')).toBe(true);
  expect(p.setTitle('Noon')).toBe(true);
  expect(FakeSocket.last.of('title')).toEqual([{ ch: 'rtc', type: 'title', id: 'p1', title: 'Noon' }]);
});

test('a session that the server never answered is stopped before the next try', async () => {
  const p = await publishing();
  const s = FakeSocket.last;
  s.onsent = () => undefined;
  p.setCodec('H264');
  await vi.advanceTimersByTimeAsync(10_500);
  expect(s.of('stop')).toEqual([{ ch: 'rtc', type: 'stop', id: 'p2' }]);
  expect(s.of('publish').length).toBe(3);
});

test('close ends the stream', async () => {
  const p = await publishing();
  FakePeer.last.become('connected');
  p.close();
  await settle();
  expect(FakeSocket.last.of('stop')).toEqual([{ ch: 'rtc', type: 'stop', id: 'p1' }]);
  expect(FakePeer.last.closed).toBe(true);
});
