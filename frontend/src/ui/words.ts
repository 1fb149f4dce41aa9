/** What the player and the studio say. Words live here, so that they can be read and tested in one place. */
import type { Diagnosis, PlayerState, Problem, StreamInfo } from '../media/types';
import { wayName } from '../media/ways';
import { age, count, digits, seconds } from './format';

export interface Veil {
  /** How the picture behind looks: closed slats, the last frame dimmed, or blurred; null leaves it alone. */
  look: 'slats' | 'frozen' | 'soft' | null;
  title: string;
  text: string;
  /** The mark keys K: something is being tried. */
  keying: boolean;
  /** Nothing goes on by itself: told at once, as an alert. */
  alert: boolean;
  action: 'retry' | 'signin' | 'home' | 'sound' | null;
  /** The network may be the reason: the page that tests it is offered. */
  check: boolean;
}

const plain = { keying: false, alert: false, action: null, check: false } as const;

/** Problems that the network may be the reason of. */
const ofNetwork = new Set(['unreachable', 'connection_lost', 'timeout', 'lost', 'no_webrtc']);

/** Whether the test of the connection may tell more. */
export function wantsCheck(p: Problem | null): boolean {
  return p !== null && ofNetwork.has(p.code);
}

/** The veil over the picture, or null while it plays. `now` is the server's clock in ms. */
export function veilFor(s: PlayerState, now: number): Veil | null {
  switch (s.phase) {
    case 'live':
      return s.autoplayBlocked ? { ...plain, look: null, title: '', text: '', action: 'sound' } : null;
    case 'connecting':
      return { ...plain, look: 'slats', keying: true, title: 'Connecting', check: wantsCheck(s.problem), text: s.problem?.message ?? 'Trying UDP, TCP and relays at the same time.' };
    case 'waiting':
      return { ...plain, look: 'slats', title: 'Not live yet', text: 'This page starts by itself when the stream does.' };
    case 'reconnecting':
      return {
        ...plain, look: 'frozen', keying: true, title: 'Reconnecting', check: wantsCheck(s.problem),
        text: s.problem?.message ?? 'No picture is arriving. A new connection is on its way.',
      };
    case 'away':
      return { ...plain, look: 'soft', title: 'Back in a moment', text: awayText(s.stream, now) };
    case 'ended':
      return { ...plain, look: 'soft', title: 'This stream has ended', text: endedText(s), action: 'home' };
    case 'cannot-play':
      return cannotPlay(s.problem);
  }
}

function awayText(stream: StreamInfo | null, now: number): string {
  const since = stream?.awaySince;
  const when = since ? `dropped ${age(now - since)} ago` : 'dropped';
  return `The broadcaster’s connection ${when}. This starts again by itself.`;
}

function endedText(s: PlayerState): string {
  if (s.problem && s.problem.code !== 'ended') return s.problem.message;
  return 'If the broadcaster comes back, this page starts again by itself.';
}

function cannotPlay(problem: Problem | null): Veil {
  const action = problem?.action === 'signin' ? 'signin' : 'retry';
  return {
    look: 'frozen', keying: false, alert: true, action, check: problem === null || wantsCheck(problem),
    title: problem?.title ?? 'This cannot be played here',
    text: problem?.message ?? 'The server and this browser found no way to each other. Try again, or try another browser.',
  };
}

/** What is told below the picture: every cause when there is none, and why it has no sound when it plays. */
export function diagnosesFor(s: PlayerState): Diagnosis[] {
  const all = s.stream?.diagnoses ?? [];
  if (s.phase === 'cannot-play') return all;
  return s.phase === 'live' ? all.filter((d) => d.code === 'no_transcoder') : [];
}

/** What is read out when the state changes; '' when nothing is worth it. */
export function playerStatus(s: PlayerState): string {
  if (s.phase === 'live') {
    const delay = s.delay === null ? '' : `. ${digits(s.delay)} seconds behind`;
    const path = s.path ? `, over ${wayName(s.path)}` : '';
    return `Live${delay}${path}.${s.autoplayBlocked ? ' Playing without sound.' : ''}`;
  }
  // An alert speaks for itself.
  if (s.phase === 'cannot-play') return '';
  const veil = veilFor(s, s.stream?.awaySince ?? 0);
  return veil ? `${veil.title}.` : '';
}

/** The word at the live edge. */
export function edgeText(s: PlayerState): string {
  if (s.phase !== 'live') return 'Waiting';
  if (s.paused || s.behind > 0) return s.behind >= 1 ? `Jump to live, ${seconds(Math.round(s.behind))}` : 'Jump to live';
  return 'Live';
}

/** Where a stream comes from, in a sentence and in a word. */
export function sourceName(proto: string | undefined): string {
  switch (proto) {
    case 'ws':
      return 'Browser';
    case 'whip':
      return 'Encoder';
    default:
      return proto ? proto.toUpperCase() : '';
  }
}

export function watching(n: number): string {
  return n === 1 ? '1 watching' : `${count(n)} watching`;
}

/** The reading of the microphone, for those who cannot see the cells. */
export function levelWord(db: number): string {
  if (db <= -60) return 'silent';
  if (db < -40) return 'quiet';
  return db > -6 ? 'too loud' : 'good';
}

/** The sentence under the meter. */
export function levelHint(db: number, on: boolean): string {
  if (!on) return 'The microphone is off. Nobody hears you.';
  if (db <= -60) return 'Nothing to hear. Say something, or pick another microphone.';
  if (db < -40) return 'Quiet. Come closer, or turn the microphone up.';
  return db > -6 ? 'Too loud. Turn the microphone down a little.' : 'Good. Peaks stay left of the open boxes.';
}
