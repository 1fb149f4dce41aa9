import { expect, test } from 'vitest';
import { ProtocolError } from '../client/errors';
import { add, phaseLine, statsLine } from './log';
import { problem, problemOf } from './problems';
import type { UplinkStats } from './types';

const codes = [
  'bad_request', 'bad_name', 'unauthenticated', 'denied', 'throttled', 'busy', 'not_live', 'unsupported_codec', 'no_session',
  'replaced', 'ended', 'lost', 'expired', 'shutdown', 'internal', 'connection_lost', 'timeout', 'unreachable', 'failed', 'bad_version',
];

test.each(codes.flatMap((c) => [[c, 'watching'], [c, 'publishing']] as const))('%s while %s has words of its own', (code, side) => {
  // Nobody watches under a taken name.
  if (code === 'busy' && side === 'watching') return;
  const p = problemOf(new ProtocolError(code, 'raw text'), side);
  expect(p.code).toBe(code);
  expect(p.title).not.toBe('That did not work');
  expect(p.message).not.toContain('raw text');
  expect(p.title + p.message).not.toContain('!');
  expect(p.message).toMatch(/[.]$/);
});

test('the codec that cannot be played is named', () => {
  expect(problemOf(new ProtocolError('unsupported_codec', '', { codec: 'H265' }), 'watching').message).toContain('H.265');
});

test('the time until the next try is said', () => {
  expect(problemOf(new ProtocolError('throttled', '', { retryAfter: 1.2 }), 'watching').message).toContain('Next try in 2 s.');
});

test('what leads on is offered', () => {
  expect(problemOf(new ProtocolError('unauthenticated', ''), 'publishing').action).toBe('signin');
  expect(problemOf(new ProtocolError('busy', ''), 'publishing').action).toBe('rename');
  expect(problem('camera_blocked').action).toBe('devices');
});

test('a code of a newer server is said in the server’s words', () => {
  expect(problemOf(new ProtocolError('new_code', 'the moon is full'), 'watching')).toEqual({
    code: 'new_code', title: 'That did not work', message: 'The moon is full.', action: 'retry',
  });
});

test('the log says what happened and stays short', () => {
  expect(phaseLine('connecting', 'live', 'harbour')).toEqual(['ok', 'On air as harbour.']);
  expect(phaseLine('reconnecting', 'live', 'harbour')).toEqual(['ok', 'Back on air.']);
  expect(phaseLine('live', 'live', 'harbour')).toBeNull();
  let log = add([], 'ok', 'first');
  for (let i = 0; i < 150; i++) log = add(log, 'ok', `line ${i}`);
  expect(log.length).toBe(100);
  expect(log.at(-1)?.text).toBe('line 149');
});

test('the log tells changes of the uplink once', () => {
  const s: UplinkStats = { bitrate: 0, rttMs: 1, lossPercent: 0, width: 0, height: 0, fps: 0, codec: 'VP8', path: 'udp', way: 'udp', limited: '' };
  expect(statsLine(null, s)?.[1]).toContain('UDP');
  expect(statsLine(s, s)).toBeNull();
  expect(statsLine(s, { ...s, path: 'tcp', way: 'tcp' })).toEqual(['half', expect.stringContaining('over TCP')]);
  expect(statsLine(s, { ...s, path: 'tcp', way: 'relay-tls' })).toEqual(['half', expect.stringContaining('over the TLS relay')]);
  expect(statsLine(s, { ...s, limited: 'bandwidth' })?.[1]).toContain('slow');
  expect(statsLine({ ...s, limited: 'cpu' }, s)?.[0]).toBe('ok');
});
