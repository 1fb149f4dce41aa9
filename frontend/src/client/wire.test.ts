import { describe, expect, test } from 'vitest';
import { parseMessage, parseStream, WireError, type Notice, type Request } from './wire';

const server = import.meta.glob<string>('../../../server/web/testdata/wire/server/*.json', { eager: true, query: '?raw', import: 'default' });
const client = import.meta.glob<string>('../../../server/web/testdata/wire/client/*.json', { eager: true, query: '?raw', import: 'default' });

describe('fixtures shared with the server', () => {
  test('are there', () => {
    expect(Object.keys(server).length).toBeGreaterThan(15);
    expect(Object.keys(client).length).toBeGreaterThan(12);
  });

  test.each(Object.entries(server))('%s is read without loss', (_, text) => {
    const raw = JSON.parse(text) as Record<string, unknown>;
    const { ch: _ch, version: _version, ...rest } = raw;
    expect(parseMessage(text)).toEqual(rest);
  });

  test.each(Object.entries(client))('%s has no field that this client does not send', (_, text) => {
    const { ch, ...m } = JSON.parse(text) as { ch?: string } & (Request | Notice | { type: 'hello' | 'ping' | 'candidate' });
    expect(ch).toBe(m.type === 'hello' || m.type === 'ping' ? undefined : 'rtc');
    const known: Record<string, string[]> = {
      hello: ['type', 'version', 'token'], ping: ['type', 't'], candidate: ['type', 'id', 'candidate'],
      publish: ['type', 'id', 'stream', 'sdp', 'title', 'token', 'resume'], watch: ['type', 'id', 'stream', 'sdp', 'token'],
      restart: ['type', 'id', 'sdp', 'session', 'token'], follow: ['type', 'stream', 'token'], unfollow: ['type', 'stream'],
      title: ['type', 'id', 'title'], poster: ['type', 'id', 'jpeg'], stop: ['type', 'id'],
    };
    expect(known[m.type]).toEqual(expect.arrayContaining(Object.keys(m)));
  });
});

test.each(['{', '[]', '1', 'null', '"x"', '{"type":"pong"}', '{"type":"pong","t":"1","time":2}', '{"type":"answer","id":1,"sdp":""}',
  '{"type":"stream"}', '{"type":"stream","stream":{"name":"a","state":"gone"}}', '{"type":"ice","iceServers":{}}',
  '{"type":"welcome","version":2,"server":"x","time":1}', '{"type":"error","message":"no code"}',
  '{"type":"stream","stream":{"name":"a","state":"live","tracks":[{"kind":"text","codec":"x"}]}}',
])('%s is refused', (text) => {
  expect(() => parseMessage(text)).toThrow(WireError);
});

test('unknown types and fields are ignored', () => {
  expect(parseMessage('{"type":"chat","text":"hi"}')).toBeNull();
  expect(parseMessage('{}')).toBeNull();
  expect(parseMessage('{"type":"pong","t":1,"time":2,"new":true}')).toEqual({ type: 'pong', t: 1, time: 2 });
});

test('a stream without tracks and title is a stream', () => {
  expect(parseStream({ name: 'a', state: 'offline', tracks: null })).toEqual({ name: 'a', title: '', state: 'offline', viewers: 0, tracks: [] });
});
