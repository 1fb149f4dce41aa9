/**
 * The states that the media stores publish. Plain data: no methods, no elements, so that a page can
 * render any of them without a browser behind it.
 */

import type { Diagnosis, StreamInfo } from '../client/wire';

/** What a person is told when something does not work: what happened, why, and what to do. */
export interface Problem {
  /** The machine's word for it: a code of the wire protocol, of the REST interface or of this client. */
  code: string;
  title: string;
  message: string;
  /** The next step that the page can offer as a button. */
  action?: 'retry' | 'signin' | 'devices' | 'unmute' | 'rename';
}

export type { DataMessage, Diagnosis, StreamInfo, StreamState, TrackInfo } from '../client/wire';

/** 'waiting': nobody is live yet, the player starts by itself when somebody is. */
export type PlayerPhase = 'connecting' | 'waiting' | 'live' | 'reconnecting' | 'away' | 'ended' | 'cannot-play';

/** What carries the packets to and from this device. */
export type Path = 'udp' | 'tcp';

/** The way that they take: straight to the server's media, or by its relay for networks that let nothing else through. */
export type Way = Path | 'relay-udp' | 'relay-tcp' | 'relay-tls';

export interface PlayerState {
  phase: PlayerPhase;
  problem: Problem | null;
  stream: StreamInfo | null;
  media: MediaStream | null;
  paused: boolean;
  muted: boolean;
  /** 0 to 1. */
  volume: number;
  /** There is sound and the browser refused it: the picture plays muted, offer "Turn sound on". */
  autoplayBlocked: boolean;
  /** Delay from the server to the screen in seconds; null until it is known. */
  delay: number | null;
  /** Seconds behind live; more than 0 only while paused. */
  behind: number;
  path: Path | null;
  stats: PlayerStats | null;
  /** The newest data message; null before the first. */
  data: LastData | null;
}

export interface LastData {
  name: string;
  /** When it was in time with the picture: ms since 1970 by this machine's clock. */
  at: number;
}

export interface PlayerStats {
  width: number;
  height: number;
  fps: number;
  /** bit/s, audio and video together. */
  bitrate: number;
  codec: string;
  audioCodec: string;
  lossPercent: number;
  jitterMs: number;
  /** null until the first measurement. */
  rttMs: number | null;
  framesDropped: number;
  framesDecoded: number;
  freezes: number;
  path: Path | null;
  way: Way | null;
  /** Sum of the sound's energy so far; it grows while there is sound. */
  audioEnergy: number;
}

export type StudioPhase = 'idle' | 'asking' | 'ready' | 'connecting' | 'live' | 'reconnecting' | 'ended';

export type PresetName = '1080p30' | '720p30' | '480p30' | '360p15';

export type CodecChoice = 'auto' | 'VP8' | 'H264' | 'VP9' | 'AV1';

export interface Device {
  id: string;
  label: string;
}

/** A line of the studio's log; `at` is ms since 1970, `mark` a mirror phase. */
export interface LogLine {
  at: number;
  mark: 'ok' | 'half' | 'off';
  text: string;
}

export interface UplinkStats {
  /** bit/s, audio and video together. */
  bitrate: number;
  /** null until the first measurement. */
  rttMs: number | null;
  lossPercent: number;
  width: number;
  height: number;
  fps: number;
  codec: string;
  path: Path | null;
  way: Way | null;
  /** What holds the picture back: '' (nothing), 'cpu', 'bandwidth' or 'other'. */
  limited: string;
}

export interface StudioState {
  phase: StudioPhase;
  problem: Problem | null;
  cameras: Device[];
  microphones: Device[];
  /** The device in use; null when there is none. */
  camera: string | null;
  microphone: string | null;
  cameraOn: boolean;
  micOn: boolean;
  /** A screen is shared instead of the camera. */
  screen: boolean;
  preset: PresetName;
  codec: CodecChoice;
  /** The codecs that this browser can encode, 'auto' first. */
  codecs: CodecChoice[];
  preview: MediaStream | null;
  /** Peak of the microphone in dBFS, -100 (silence) to 0. */
  level: number;
  stats: UplinkStats | null;
  /** The last 120 measurements, one a second, oldest first. */
  history: UplinkStats[];
  viewers: number;
  /** Most viewers at once since the stream went live. */
  peak: number;
  /** When the stream went live, ms since 1970 by the server's clock. */
  since: number | null;
  stream: string;
  title: string;
  /** What browsers play badly of what goes out, and the cure. */
  diagnoses: Diagnosis[];
  log: LogLine[];
}

export interface GoLive {
  stream: string;
  title: string;
  /** A stream key or token, when the page's person is not signed in. */
  token?: string;
}

export interface User {
  name: string;
  role: string;
}

export interface SessionState {
  user: User | null;
  /** No account exists yet: the first visitor with the setup token makes one. */
  setupNeeded: boolean;
  /** Everybody may watch without an account. */
  open: boolean;
  version: string;
}

export interface StreamsState {
  /** null until the first answer. */
  streams: StreamInfo[] | null;
  problem: Problem | null;
}

/** What every store of this folder offers; Svelte's `$store` reads it. */
export interface Readable<T> {
  /** Calls fn at once with the state and then on every change, until the returned function is called. */
  subscribe(fn: (state: T) => void): () => void;
  get(): T;
}
