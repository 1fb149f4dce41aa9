/** Reading RTCStatsReports, whose fields differ from browser to browser. */

import type { Path, Way } from './types';

export type Stat = Record<string, unknown>;

/** The report's entries, whatever the browser's typing of them. */
export function entries(report: RTCStatsReport): Stat[] {
  const all: Stat[] = [];
  report.forEach((s: Stat) => all.push(s));
  return all;
}

export function num(s: Stat | undefined, field: string): number {
  const v = s?.[field];
  return typeof v === 'number' && Number.isFinite(v) ? v : 0;
}

export function find(all: Stat[], type: string, kind?: string): Stat | undefined {
  return all.find((s) => s.type === type && (kind === undefined || s.kind === kind));
}

/** The name of the codec of an RTP entry, '' when it is not known yet. */
export function codecOf(all: Stat[], rtp: Stat | undefined): string {
  const codec = all.find((s) => s.type === 'codec' && s.id === rtp?.codecId);
  const mime = codec?.mimeType;
  return typeof mime === 'string' ? mime.slice(mime.indexOf('/') + 1) : '';
}

export interface Route {
  path: Path | null;
  way: Way | null;
  rttMs: number | null;
}

/** The way in use and its round trip. */
export function routeOf(all: Stat[]): Route {
  const transport = all.find((s) => s.type === 'transport' && s.selectedCandidatePairId !== undefined);
  const pair = transport
    ? all.find((s) => s.id === transport.selectedCandidatePairId)
    : all.find((s) => s.type === 'candidate-pair' && (s.selected === true || (s.nominated === true && s.state === 'succeeded')));
  if (!pair) return { path: null, way: null, rttMs: null };
  const local = all.find((s) => s.id === pair.localCandidateId);
  // A relayed candidate is UDP by name; what matters is how this device reaches the relay.
  const protocol = local?.relayProtocol ?? local?.protocol;
  const path = protocol === 'udp' ? 'udp' : typeof protocol === 'string' ? 'tcp' : null;
  const rtt = pair.currentRoundTripTime;
  const relayed = local?.candidateType === 'relay' || local?.relayProtocol !== undefined;
  const way = relayed && path ? (protocol === 'tls' ? 'relay-tls' : (`relay-${path}` as const)) : path;
  return { path, way, rttMs: typeof rtt === 'number' ? rtt * 1000 : null };
}

/** Differences of growing counters from one reading to the next; a new session starts them anew. */
export class Deltas {
  #last = new Map<string, number>();

  /** How much the counter has grown since the last reading; 0 at the first and after a reset. */
  of(name: string, value: number): number {
    const last = this.#last.get(name);
    this.#last.set(name, value);
    return last === undefined || value < last ? 0 : value - last;
  }
}
