import { expect, test } from 'vitest';
import { ProtocolError } from '../client/errors';
import type { Link } from '../client/keeper';
import { phaseOf, playerProblem, type Facts } from './phases';
import { studioPhase } from './studiophase';
import type { PlayerPhase, StreamInfo, StreamState, StudioPhase } from './types';

function stream(state: StreamState): StreamInfo {
  return { name: 'harbour', title: '', state, viewers: 0, tracks: [] };
}

function facts(f: Partial<Facts> & { code?: string; state?: StreamState }): Facts {
  return {
    link: f.link ?? 'up', error: f.code ? new ProtocolError(f.code, '') : null, stream: f.state ? stream(f.state) : null,
    flowing: f.flowing ?? false, played: f.played ?? false, noServerFor: f.noServerFor ?? 0, offline: f.offline ?? false,
  };
}

test.each<[PlayerPhase, Parameters<typeof facts>[0]]>([
  ['connecting', { link: 'connecting' }],
  ['connecting', { state: 'live' }],
  ['live', { state: 'live', flowing: true, played: true }],
  ['live', { state: 'away', flowing: true, played: true }],
  ['reconnecting', { state: 'live', played: true }],
  ['reconnecting', { link: 'interrupted', state: 'live', played: true, code: 'failed' }],
  ['away', { state: 'away', played: true }],
  ['away', { link: 'parked', code: 'not_live', state: 'away' }],
  ['waiting', { link: 'parked', code: 'not_live', state: 'offline' }],
  ['waiting', { link: 'parked', code: 'not_live' }],
  ['ended', { link: 'parked', code: 'ended', state: 'offline' }],
  ['ended', { link: 'parked', code: 'not_live', state: 'ended' }],
  ['ended', { state: 'ended', played: true }],
  ['cannot-play', { link: 'parked', code: 'unsupported_codec', state: 'live' }],
  ['cannot-play', { link: 'parked', code: 'denied' }],
])('a player is %s with %j', (phase, f) => {
  expect(phaseOf(facts(f))).toBe(phase);
});

test.each<[string | undefined, PlayerPhase, Parameters<typeof facts>[0]]>([
  [undefined, 'live', { flowing: true, code: 'failed' }],
  ['unsupported_codec', 'cannot-play', { link: 'parked', code: 'unsupported_codec' }],
  ['offline', 'reconnecting', { offline: true }],
  [undefined, 'connecting', { noServerFor: 500 }],
  ['connection_lost', 'connecting', { noServerFor: 3000 }],
  ['unreachable', 'connecting', { code: 'unreachable' }],
  [undefined, 'waiting', { link: 'parked', code: 'not_live' }],
])('the problem is %s when %s with %j', (code, phase, f) => {
  expect(playerProblem(facts(f), phase)?.code).toBe(code);
});

test.each<[StudioPhase, Link, StreamState | null, StudioPhase]>([
  ['connecting', 'connecting', null, 'connecting'],
  ['connecting', 'up', 'offline', 'connecting'],
  ['live', 'up', 'live', 'connecting'],
  ['live', 'up', null, 'connecting'],
  ['reconnecting', 'interrupted', 'live', 'live'],
  ['reconnecting', 'connecting', 'away', 'reconnecting'],
  ['live', 'up', 'away', 'reconnecting'],
  ['ready', 'parked', 'live', 'connecting'],
  ['ended', 'parked', 'live', 'live'],
  ['ended', 'connecting', 'live', 'ended'],
  ['live', 'up', 'live', 'ended'],
])('a studio is %s with link %s and stream %s after %s', (phase, link, state, before) => {
  expect(studioPhase(link, state && stream(state), before)).toBe(phase);
});
