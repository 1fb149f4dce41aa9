/** What the Sources page says about what arrives, what is pulled and what is sent on. */
import { codecLabel } from '../media/codecs';
import type { Push } from '../media/pushes';
import type { Source } from '../media/sources';
import type { StreamInfo, TrackInfo } from '../media/types';
import { age, seconds } from './format';
import { sourceName } from './words';

/** How it goes as a mirror phase. */
export type Phase = 'ok' | 'half' | 'off';

const sourceStates: Record<Source['state'], [Phase, string]> = {
  live: ['ok', 'Live'],
  waiting: ['off', 'Waits for a viewer'],
  connecting: ['off', 'Connecting'],
  wrong_password: ['half', 'Wrong password'],
  no_video: ['half', 'No video'],
  unreachable: ['half', 'Unreachable'],
  frozen: ['half', 'The picture stands still'],
  refused: ['half', 'Address not allowed'],
  off: ['off', 'Off'],
};

const pushStates: Record<Push['state'], [Phase, string]> = {
  live: ['ok', 'Sending'],
  waiting: ['off', 'Waits for the stream'],
  connecting: ['off', 'Connecting'],
  retrying: ['half', 'Not getting through'],
  off: ['off', 'Off'],
};

interface Going {
  phase: Phase;
  /** "Unreachable for 3 min. Next try in 8 s." */
  line: string;
}

/** `now`: the server's clock, ms. */
export function sourceGoing(s: Source, now: number): Going {
  const [phase, word] = sourceStates[s.state];
  return { phase, line: going(word, s, now) };
}

export function pushGoing(p: Push, now: number): Going {
  const [phase, word] = pushStates[p.state];
  return { phase, line: going(word, p, now) };
}

function going(word: string, o: { since?: number; retryAt?: number }, now: number): string {
  const lasted = o.since && word !== 'Off' ? ` for ${age(now - o.since)}` : '';
  const wait = o.retryAt ? Math.ceil((o.retryAt - now) / 1000) : 0;
  return `${word}${lasted}.${wait > 0 ? ` Next try in ${age(wait * 1000)}.` : ''}`;
}

const diagnosisTitles: Record<string, string> = {
  b_frames: 'The encoder sends B-frames',
  interlaced: 'The picture is interlaced',
  chroma: 'The colour format is too fine for browsers',
  h265: 'The picture is H.265',
  mjpeg: 'The camera sends MJPEG',
  long_gop: 'Keyframes are far apart',
  no_transcoder: 'No sound for browsers',
};

export function diagnosisTitle(code: string, kind: string): string {
  if (code === 'codec') return kind === 'audio' ? 'Browsers do not know this sound' : 'Browsers do not know this picture';
  return diagnosisTitles[code] ?? (kind === 'audio' ? 'The sound needs a hand' : 'The picture needs a hand');
}

/** What is known of what arrives, as label and value. */
export function arrivalFacts(s: StreamInfo): [string, string][] {
  const video = s.tracks.find((t) => t.kind === 'video');
  const audio = s.tracks.find((t) => t.kind === 'audio');
  const bits = s.tracks.reduce((sum, t) => sum + (t.bitrate ?? 0), 0);
  const facts: [string, string][] = [
    ['Video', video ? videoLine(video) : 'none'],
    ['Audio', audio ? audioLine(audio) : 'none'],
  ];
  if (video?.keyframeInterval) facts.push(['Keyframe', asksForKeyframes(s) ? 'on request' : `every ${seconds(video.keyframeInterval)}`]);
  if (bits) facts.push(['Bitrate', bits >= 1e6 ? `${(bits / 1e6).toFixed(2)} Mb/s` : `${Math.round(bits / 1e3)} kb/s`]);
  return facts;
}

/**
 * Whether the server asks the source for keyframes as viewers need them, which it does over WebRTC. How long the last
 * one was ago is then no setting and no fault.
 */
function asksForKeyframes(s: StreamInfo): boolean {
  return s.proto === 'ws' || s.proto === 'whip';
}

/** "H.264 1280×720, 30 fps" */
export function videoLine(t: TrackInfo): string {
  const size = t.width && t.height ? ` ${t.width}×${t.height}` : '';
  return `${codecLabel(t.codec)}${size}${t.fps ? `, ${Math.round(t.fps * 10) / 10} fps` : ''}`;
}

/** "AAC 48 kHz, stereo" */
export function audioLine(t: TrackInfo): string {
  const rate = t.sampleRate ? ` ${t.sampleRate / 1000} kHz` : '';
  return `${codecLabel(t.codec)}${rate}${t.channels ? `, ${channels(t.channels)}` : ''}`;
}

function channels(n: number): string {
  return n === 1 ? 'mono' : n === 2 ? 'stereo' : `${n} channels`;
}

export function trackLine(t: TrackInfo): string {
  return t.kind === 'video' ? videoLine(t) : audioLine(t);
}

/** What is read out when it changes. */
export function arrivalStatus(s: StreamInfo | null): string {
  if (!s) return '';
  if (s.state === 'away') return `${s.name} dropped. Waiting for the encoder.`;
  if (s.state !== 'live') return s.state === 'ended' ? `${s.name} has ended.` : '';
  const hand = s.diagnoses?.length ? ` ${diagnosisTitle(s.diagnoses[0]?.code ?? '', s.diagnoses[0]?.kind ?? '')}.` : '';
  return `${s.name} arrives${s.proto ? ` by ${sourceName(s.proto)}` : ''}.${hand}`;
}
