/** How the facts of a viewing make a player's phase. Pure. */

import type { ProtocolError } from '../client/errors';
import type { Link } from '../client/keeper';
import { problem, problemOf } from './problems';
import type { PlayerPhase, PlayerState, Problem, StreamInfo } from './types';

export interface Facts {
  link: Link;
  error: ProtocolError | null;
  stream: StreamInfo | null;
  /** Media came in the last 2 s. */
  flowing: boolean;
  /** Media came since the player started or since the stream last ended. */
  played: boolean;
  /** For how long (ms) the socket could not be opened; 0 while it is open. */
  noServerFor: number;
  offline: boolean;
}

/** The state of a player before anything is known. */
export const atStart: PlayerState = {
  phase: 'connecting', problem: null, stream: null, media: null, paused: false, muted: false, volume: 1,
  autoplayBlocked: false, delay: null, behind: 0, path: null, stats: null, data: null,
};

/** Reasons of a parking that are no failure: the stream's own state says more. */
const restful = new Set(['not_live', 'ended']);

export function phaseOf(f: Facts): PlayerPhase {
  if (f.link === 'parked' && f.error && !restful.has(f.error.code)) return 'cannot-play';
  if (f.link === 'parked') return rest(f);
  // The last frames of a server that goes say nothing about what comes.
  if (f.error?.code === 'shutdown' && f.link !== 'up') return f.played ? 'reconnecting' : 'connecting';
  // Frames decide, whatever the messages say: they may be late or lost.
  if (f.flowing) return 'live';
  if (f.stream?.state === 'away') return 'away';
  if (f.stream?.state === 'ended') return 'ended';
  return f.played ? 'reconnecting' : 'connecting';
}

function rest(f: Facts): PlayerPhase {
  if (f.stream?.state === 'away') return 'away';
  if (f.error?.code === 'ended' || f.stream?.state === 'ended') return 'ended';
  return 'waiting';
}

export function playerProblem(f: Facts, phase: PlayerPhase): Problem | null {
  if (phase === 'live') return null;
  if (phase === 'cannot-play' && f.error) return problemOf(f.error, 'watching', f.stream?.diagnoses);
  if (f.offline) return problem('offline');
  // A change of networks is a blink; a restart of the server takes longer.
  if (f.noServerFor > 2000) return problem('connection_lost');
  if (f.error && !restful.has(f.error.code) && f.error.code !== 'renewed') return problemOf(f.error, 'watching');
  return null;
}
