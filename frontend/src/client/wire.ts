/**
 * The messages of the wire protocol (server/web/PROTOCOL.md, version 1) and the checked reading of
 * those that the server sends. Knows no socket.
 */

import { fields, given, list, number, optionalNumber, optionalString, string, WireError, type Fields } from './fields';
import { parseStream, type StreamInfo } from './stream';

export { WireError } from './fields';
export { parseStream, type Diagnosis, type StreamInfo, type StreamState, type TrackInfo } from './stream';

export const protocolVersion = 1;

export interface WireUser {
  name: string;
  role: string;
}

/** The requests that the server answers with `answer` or `error` under the same id. */
export type Request =
  | { type: 'publish'; id: string; stream: string; sdp: string; title?: string; token?: string; resume?: string }
  | { type: 'watch'; id: string; stream: string; sdp: string; token?: string }
  | { type: 'restart'; id: string; sdp: string; session?: string; token?: string };

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
  /** The secret by which the session goes on over another connection. */
  session?: string;
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

/** What the publisher sent beside picture and sound. */
export interface DataMessage {
  type: 'data';
  stream: string;
  name: string;
  /** The moment it belongs to, ms since 1970 by the server's clock. */
  time: number;
  /** RTP timestamp of the picture it belongs to; absent on streams without video. */
  rtp?: number;
  value: unknown;
}

export type ServerMessage =
  | Welcome
  | Answer
  | Failure
  | Stopped
  | { type: 'pong'; t: number; time: number }
  | { type: 'ice'; iceServers: RTCIceServer[] }
  | { type: 'stream'; stream: StreamInfo }
  | DataMessage;

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
    case 'data':
      return parseData(f);
    case 'stopped':
      return { type: 'stopped', id: string(f, 'id'), ...parseReason(f) };
    case 'error':
      return { type: 'error', ...parseReason(f), ...given('id', optionalString(f, 'id')), ...given('codec', optionalString(f, 'codec')) };
    default:
      return null;
  }
}

function parseData(f: Fields): DataMessage {
  return { type: 'data', stream: string(f, 'stream'), name: string(f, 'name'), time: number(f, 'time'), ...given('rtp', optionalNumber(f, 'rtp')), value: f.value };
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
  const answer: Answer = { type: 'answer', id: string(f, 'id'), sdp: string(f, 'sdp'), ...given('resume', optionalString(f, 'resume')), ...given('session', optionalString(f, 'session')) };
  if (f.iceServers !== undefined) answer.iceServers = parseIceServers(f.iceServers);
  return answer;
}

function parseReason(f: Fields): { code: string; message: string; retryAfter?: number } {
  return { code: string(f, 'code'), message: optionalString(f, 'message') ?? '', ...given('retryAfter', optionalNumber(f, 'retryAfter')) };
}

function parseIceServers(value: unknown): RTCIceServer[] {
  return list(value).map((entry) => {
    const f = fields(entry, 'ice server');
    const urls = (typeof f.urls === 'string' ? [f.urls] : list(f.urls)).filter((u): u is string => typeof u === 'string');
    return { urls, ...given('username', optionalString(f, 'username')), ...given('credential', optionalString(f, 'credential')) };
  });
}
