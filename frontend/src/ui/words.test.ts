import { describe, expect, it } from 'vitest';
import type { PlayerPhase, PlayerState } from '../media/types';
import { age, clock, count, decibel, initials, picture, rate, seconds } from './format';
import { diagnosesFor, edgeText, levelHint, playerStatus, veilFor } from './words';

function player(phase: PlayerPhase, o: Partial<PlayerState> = {}): PlayerState {
  return {
    phase, problem: null, stream: null, media: null, paused: false, muted: false, volume: 1, autoplayBlocked: false,
    delay: null, behind: 0, path: null, stats: null, data: null, ...o,
  };
}

const stream = { name: 'harbour', title: '', state: 'away' as const, awaySince: 1_000_000, viewers: 3, tracks: [] };

describe('veilFor', () => {
  it.each<[PlayerPhase, string, string]>([
    ['connecting', 'Connecting', 'slats'],
    ['waiting', 'Not live yet', 'slats'],
    ['reconnecting', 'Reconnecting', 'frozen'],
    ['away', 'Back in a moment', 'soft'],
    ['ended', 'This stream has ended', 'soft'],
    ['cannot-play', 'This cannot be played here', 'frozen'],
  ])('says what %s is', (phase, title, look) => {
    const veil = veilFor(player(phase), 0);
    expect(veil).toMatchObject({ title, look, alert: phase === 'cannot-play' });
    expect(veil?.text).toMatch(/\.$/);
  });

  it('leaves a playing picture alone', () => {
    expect(veilFor(player('live'), 0)).toBeNull();
  });

  it('offers the sound that the browser held back', () => {
    expect(veilFor(player('live', { autoplayBlocked: true }), 0)).toMatchObject({ action: 'sound', look: null });
  });

  it('counts how long the broadcaster is away', () => {
    expect(veilFor(player('away', { stream }), 1_014_000)?.text).toContain('dropped 14 s ago');
  });

  it('tells the reason it cannot play, and the way out', () => {
    const problem = { code: 'unauthenticated', title: 'This stream is not public', message: 'Sign in to watch it.', action: 'signin' as const };
    expect(veilFor(player('cannot-play', { problem }), 0)).toMatchObject({
      title: problem.title, text: problem.message, action: 'signin', alert: true,
    });
  });
});

it('reads out delay and path when it plays', () => {
  expect(playerStatus(player('live', { delay: 0.42, path: 'udp' }))).toBe('Live. 0.4 seconds behind, over UDP.');
  expect(playerStatus(player('live', { path: 'tcp', autoplayBlocked: true }))).toBe('Live, over TCP. Playing without sound.');
  expect(playerStatus(player('live'))).toBe('Live.');
  expect(playerStatus(player('away'))).toBe('Back in a moment.');
  expect(playerStatus(player('cannot-play'))).toBe('');
});

it('tells below a playing picture why it has no sound, and of none every cause', () => {
  const diagnoses = ['b_frames', 'no_transcoder'].map((code) => ({ code, kind: 'audio' as const, text: '', fix: '' }));
  const codes = (phase: PlayerPhase) => diagnosesFor(player(phase, { stream: { ...stream, diagnoses } })).map((d) => d.code);
  expect(codes('live')).toEqual(['no_transcoder']);
  expect(codes('cannot-play')).toEqual(['b_frames', 'no_transcoder']);
  expect(codes('away')).toEqual([]);
  expect(diagnosesFor(player('live'))).toEqual([]);
});

it('names the live edge', () => {
  expect(edgeText(player('live'))).toBe('Live');
  expect(edgeText(player('live', { paused: true, behind: 38.2 }))).toBe('Jump to live, 38 s');
  expect(edgeText(player('live', { paused: true, behind: 0.2 }))).toBe('Jump to live');
  expect(edgeText(player('reconnecting'))).toBe('Waiting');
});

it('says how loud it is', () => {
  expect(levelHint(-18, true)).toMatch(/^Good/);
  expect(levelHint(-70, true)).toMatch(/^Nothing to hear/);
  expect(levelHint(-50, true)).toMatch(/^Quiet/);
  expect(levelHint(-2, true)).toMatch(/^Too loud/);
  expect(levelHint(-18, false)).toMatch(/off/);
});

it('writes numbers with their units', () => {
  expect([age(52_000), age(42 * 60_000), age(68 * 60_000), age(6 * 86_400_000), age(86_400_000), age(-5)]).toEqual(
    ['52 s', '42 min', '1 h 08', '6 days', '1 day', '0 s'],
  );
  expect([clock(2_537_000), clock(3_600_000)]).toEqual(['42:17', '01:00:00']);
  expect([seconds(0.021), seconds(0.42), seconds(9.96), seconds(38.4), seconds(-1)]).toEqual(['0.02 s', '0.4 s', '10 s', '38 s', '0.00 s']);
  expect([rate(4_210_000), rate(640_000)]).toEqual([['4.21', 'Mb/s'], ['640', 'kb/s']]);
  expect([decibel(-18.4), decibel(0)]).toEqual(['−18 dB', '0 dB']);
  expect([picture({ width: 1920, height: 1080, fps: 29.97 }), picture({ width: 0, height: 0, fps: 0 })]).toEqual(['1080p30', '']);
  expect([initials('Ada Lindqvist'), initials('harbour'), initials('')]).toEqual(['AL', 'HA', '?']);
  expect(count(1204)).toBe('1,204');
});
