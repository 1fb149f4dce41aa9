/** The studio's log: what the server and this browser did, and why. Pure. */

import type { LogLine, StudioPhase, UplinkStats } from './types';
import { overWay } from './ways';

const longest = 100;

export function add(log: LogLine[], mark: LogLine['mark'], text: string): LogLine[] {
  return [...log.slice(1 - longest), { at: Date.now(), mark, text }];
}

/** What a change of the phase is called; null for one that needs no line. `reloaded`: the page was loaded anew on air. */
export function phaseLine(from: StudioPhase, to: StudioPhase, stream: string, reloaded = false): [LogLine['mark'], string] | null {
  if (from === to) return null;
  if (to === 'connecting') return ['half', `Connecting as ${stream}.`];
  if (to === 'live' && reloaded) return ['ok', 'Back on air after a reload.'];
  if (to === 'live') return ['ok', from === 'reconnecting' ? 'Back on air.' : `On air as ${stream}.`];
  if (to === 'reconnecting') return ['half', 'Connecting again.'];
  if (to === 'ended') return ['off', 'Off air.'];
  return null;
}

/** What changed between two measurements that a broadcaster wants to know. */
export function statsLine(old: UplinkStats | null, now: UplinkStats): [LogLine['mark'], string] | null {
  if (now.way && now.way !== old?.way) {
    return now.path === 'udp' ? ['ok', `Sending ${overWay(now.way)}.`] : ['half', `UDP is blocked here. Sending ${overWay(now.way)}, a little later.`];
  }
  if (now.codec && now.codec !== old?.codec) return ['ok', `Encoding ${now.codec}.`];
  if (!old || now.limited === old.limited) return null;
  if (now.limited === 'bandwidth') return ['half', 'The network is slow: the picture is made smaller to fit.'];
  if (now.limited === 'cpu') return ['half', 'This computer is busy: the picture is made smaller to keep up.'];
  return now.limited === '' ? ['ok', 'The picture has its full size again.'] : null;
}
