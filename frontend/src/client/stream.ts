/** The description of a stream, as the socket and the REST interface give it. */

import { fields, given, list, number, optionalNumber, optionalString, string, WireError, type Fields } from './fields';

export interface StreamInfo {
  name: string;
  title: string;
  state: StreamState;
  /** When the stream went live, ms since 1970 by the server's clock. */
  since?: number;
  /** Since when the publisher is lost, while the state is 'away'. */
  awaySince?: number;
  viewers: number;
  proto?: string;
  /** Address of a still picture; absent when there is none. */
  poster?: string;
  tracks: TrackInfo[];
  /** What browsers cannot play or play badly; absent when there is nothing. */
  diagnoses?: Diagnosis[];
}

export type StreamState = 'live' | 'away' | 'ended' | 'offline';

/** A track; what has not been seen of it yet is absent. */
export interface TrackInfo {
  kind: 'audio' | 'video';
  codec: string;
  width?: number;
  height?: number;
  fps?: number;
  /** Seconds. */
  keyframeInterval?: number;
  /** bit/s */
  bitrate?: number;
  /** Hz */
  sampleRate?: number;
  channels?: number;
}

export interface Diagnosis {
  /** The machine's word for it. */
  code: string;
  kind: 'audio' | 'video';
  /** What happened and why. */
  text: string;
  /** The encoder's setting that cures it. */
  fix: string;
}

const states: readonly string[] = ['live', 'away', 'ended', 'offline'];
const measures = ['width', 'height', 'fps', 'keyframeInterval', 'bitrate', 'sampleRate', 'channels'] as const;

/** Reads a stream object; throws WireError. */
export function parseStream(value: unknown): StreamInfo {
  const f = fields(value, 'stream');
  const state = string(f, 'state');
  if (!states.includes(state)) throw new WireError(`the state "${state}" of a stream is unknown`);
  const diagnoses = list(f.diagnoses).map(parseDiagnosis);
  return {
    name: string(f, 'name'),
    title: optionalString(f, 'title') ?? '',
    state: state as StreamState,
    viewers: optionalNumber(f, 'viewers') ?? 0,
    tracks: list(f.tracks).map(parseTrack),
    ...given('since', optionalNumber(f, 'since')),
    ...given('awaySince', optionalNumber(f, 'awaySince')),
    ...given('proto', optionalString(f, 'proto')),
    ...given('poster', optionalString(f, 'poster')),
    ...given('diagnoses', diagnoses.length > 0 ? diagnoses : undefined),
  };
}

export function parseTrack(value: unknown): TrackInfo {
  const f = fields(value, 'track');
  const track: TrackInfo = { kind: kindOf(f), codec: string(f, 'codec') };
  for (const m of measures) if (f[m] !== undefined && f[m] !== null) track[m] = number(f, m);
  return track;
}

export function parseDiagnosis(value: unknown): Diagnosis {
  const f = fields(value, 'diagnosis');
  return { code: string(f, 'code'), kind: kindOf(f), text: string(f, 'text'), fix: optionalString(f, 'fix') ?? '' };
}

function kindOf(f: Fields): 'audio' | 'video' {
  const kind = string(f, 'kind');
  if (kind !== 'audio' && kind !== 'video') throw new WireError(`the kind "${kind}" of a track is unknown`);
  return kind;
}
