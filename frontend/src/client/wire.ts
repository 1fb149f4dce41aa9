/**
 * The messages of the wire protocol (server/web/PROTOCOL.md, version 1) and the checked reading of
 * those that the server sends. Knows no socket.
 */

export const protocolVersion = 1;

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
}

export type StreamState = 'live' | 'away' | 'ended' | 'offline';

export interface TrackInfo {
  kind: 'audio' | 'video';
  codec: string;
}

export interface WireUser {
  name: string;
  role: string;
}

/** The requests that the server answers with `answer` or `error` under the same id. */
export type Request =
  | { type: 'publish'; id: string; stream: string; sdp: string; title?: string; token?: string; resume?: string }
  | { type: 'watch'; id: string; stream: string; sdp: string; token?: string }
  | { type: 'restart'; id: string; sdp: string };

/** The messages that have no answer of their own. */
export type Notice =
  | { type: 'follow'; stream: string; token?: string }
  | { type: 'unfollow'; stream: string }
  | { type: 'title'; id: string; title: string }
  | { type: 'poster'; id: string; jpeg: string }
  | { type: 'stop'; id: string };

export interface Welcome {
  type: 'welcome';
  server: string;
  time: number;
  user?: WireUser;
}

export interface Answer {
  type: 'answer';
  id: string;
  sdp: string;
  resume?: string;
  iceServers?: RTCIceServer[];
}

export interface Failure {
  type: 'error';
  id?: string;
  code: string;
  message: string;
  codec?: string;
  /** Seconds. */
  retryAfter?: number;
}

export interface Stopped {
  type: 'stopped';
  id: string;
  code: string;
  message: string;
  retryAfter?: number;
}

export type ServerMessage =
  | Welcome
  | Answer
  | Failure
  | Stopped
  | { type: 'pong'; t: number; time: number }
  | { type: 'ice'; iceServers: RTCIceServer[] }
  | { type: 'stream'; stream: StreamInfo };

/** A message of the server that breaks the protocol. */
export class WireError extends Error {}

type Fields = Record<string, unknown>;

const states: readonly string[] = ['live', 'away', 'ended', 'offline'];

/** Reads one message. Returns null for a type that this version does not know; throws WireError. */
export function parseMessage(text: string): ServerMessage | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new WireError('the message is not JSON');
  }
  const f = fields(value, 'message');
  switch (f.type) {
    case 'welcome':
      return parseWelcome(f);
    case 'pong':
      return { type: 'pong', t: number(f, 't'), time: number(f, 'time') };
    case 'answer':
      return parseAnswer(f);
    case 'ice':
      return { type: 'ice', iceServers: parseIceServers(f.iceServers) };
    case 'stream':
      return { type: 'stream', stream: parseStream(f.stream) };
    case 'stopped':
      return { type: 'stopped', id: string(f, 'id'), ...parseReason(f) };
    case 'error':
      return { type: 'error', ...parseReason(f), ...given('id', optionalString(f, 'id')), ...given('codec', optionalString(f, 'codec')) };
    default:
      return null;
  }
}

/** Reads a stream object, from the socket or from the REST interface; throws WireError. */
export function parseStream(value: unknown): StreamInfo {
  const f = fields(value, 'stream');
  const state = string(f, 'state');
  if (!states.includes(state)) throw new WireError(`the state "${state}" of a stream is unknown`);
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
  };
}

function parseWelcome(f: Fields): Welcome {
  const version = number(f, 'version');
  if (version !== protocolVersion) throw new WireError(`the server speaks version ${version}`);
  const welcome: Welcome = { type: 'welcome', server: string(f, 'server'), time: number(f, 'time') };
  if (f.user !== undefined) {
    const u = fields(f.user, 'user');
    welcome.user = { name: string(u, 'name'), role: string(u, 'role') };
  }
  return welcome;
}

function parseAnswer(f: Fields): Answer {
  const answer: Answer = { type: 'answer', id: string(f, 'id'), sdp: string(f, 'sdp'), ...given('resume', optionalString(f, 'resume')) };
  if (f.iceServers !== undefined) answer.iceServers = parseIceServers(f.iceServers);
  return answer;
}

function parseReason(f: Fields): { code: string; message: string; retryAfter?: number } {
  return { code: string(f, 'code'), message: optionalString(f, 'message') ?? '', ...given('retryAfter', optionalNumber(f, 'retryAfter')) };
}

function parseTrack(value: unknown): TrackInfo {
  const f = fields(value, 'track');
  const kind = string(f, 'kind');
  if (kind !== 'audio' && kind !== 'video') throw new WireError(`the kind "${kind}" of a track is unknown`);
  return { kind, codec: string(f, 'codec') };
}

function parseIceServers(value: unknown): RTCIceServer[] {
  return list(value).map((entry) => {
    const f = fields(entry, 'ice server');
    const urls = (typeof f.urls === 'string' ? [f.urls] : list(f.urls)).filter((u): u is string => typeof u === 'string');
    return { urls, ...given('username', optionalString(f, 'username')), ...given('credential', optionalString(f, 'credential')) };
  });
}

function fields(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new WireError(`the ${what} is not an object`);
  return value as Fields;
}

// Go writes an empty list as null where nobody made one, so null and absent both count as empty.
function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value)) throw new WireError('a list is missing');
  return value;
}

function string(f: Fields, name: string): string {
  const v = f[name];
  if (typeof v !== 'string') throw new WireError(`"${name}" is not a string`);
  return v;
}

function number(f: Fields, name: string): number {
  const v = f[name];
  if (typeof v !== 'number' || !Number.isFinite(v)) throw new WireError(`"${name}" is not a number`);
  return v;
}

function optionalString(f: Fields, name: string): string | undefined {
  return f[name] === undefined || f[name] === null ? undefined : string(f, name);
}

function optionalNumber(f: Fields, name: string): number | undefined {
  return f[name] === undefined || f[name] === null ? undefined : number(f, name);
}

// Absent stays absent, so that an optional field is never present as undefined.
function given<K extends string, V>(name: K, value: V | undefined): { [key in K]?: V } {
  return value === undefined ? {} : ({ [name]: value } as { [key in K]?: V });
}
