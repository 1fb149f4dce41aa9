/**
 * Tries every way between this browser and the server, each alone and all at the same time (PROTOCOL.md, POST /reach).
 * Knows no words for what it finds.
 */

import { ServerClock } from './clock';
import { socketAddress } from './connection';
import { ProtocolError, asProtocolError } from './errors';
import { refused } from './offer';
import { linkedServers } from './servers';
import { Socket } from './socket';
import { abortable } from './wait';

/** The ways for media, the best first. */
export const mediaWays = ['udp', 'tcp', 'relay-tcp', 'relay-tls'] as const;
export type MediaWay = (typeof mediaWays)[number];

/** Everything that is tried. */
export const reachWays = ['websocket', ...mediaWays] as const;
export type ReachWay = (typeof reachWays)[number];

/** 'absent': the server does not offer it. 'untested': no test could be begun, `error` says why. */
export type Outcome = 'open' | 'blocked' | 'absent' | 'untested';

export interface Trial {
  way: ReachWay;
  outcome: Outcome;
  /** From the start of the test to the verdict, ms. */
  ms: number;
  /** Where the server's media are, as "address port"; those that this way was to reach. */
  targets: string[];
  error: ProtocolError | null;
}

/** How long each way may take, ms. A relay takes several round trips to begin with. */
const within: Record<ReachWay, number> = { websocket: 6000, udp: 5000, tcp: 6000, 'relay-tcp': 8000, 'relay-tls': 8000 };

/** Tries all ways of the server at an http(s) origin; `took` gets each verdict as it comes. Rejects when the signal is aborted. */
export async function tryWays(origin: string, took: (t: Trial) => void, signal: AbortSignal): Promise<void> {
  const all: Promise<Trial>[] = [trySocket(origin, signal), ...mediaWays.map((way) => tryMedia(way, origin, signal))];
  await Promise.all(all.map(async (trial) => took(await trial)));
}

async function trySocket(origin: string, signal: AbortSignal): Promise<Trial> {
  const began = performance.now();
  let end: (trial: Trial) => void = () => {};
  const ended = new Promise<Trial>((resolve) => (end = resolve));
  const verdict = (outcome: Outcome, error: ProtocolError | null) =>
    end({ way: 'websocket', outcome, ms: performance.now() - began, targets: [], error });
  const socket = new Socket(socketAddress(origin), undefined, within.websocket, new ServerClock(), {
    welcome: () => verdict('open', null),
    message: () => undefined,
    // Refused is not blocked: the word of the server came through.
    closed: (why) => verdict(why.code === 'connection_lost' || why.code === 'timeout' ? 'blocked' : 'open', why),
  });
  const timer = setTimeout(() => socket.close(new ProtocolError('timeout', 'nothing came back')), within.websocket);
  try {
    return await abortable(ended, signal);
  } finally {
    clearTimeout(timer);
    socket.close(new ProtocolError('tested', 'the test is over'), true);
  }
}

async function tryMedia(way: MediaWay, origin: string, signal: AbortSignal): Promise<Trial> {
  const began = performance.now();
  const trial = (outcome: Outcome, targets: string[], error: ProtocolError | null = null): Trial => ({
    way, outcome, ms: performance.now() - began, targets, error,
  });
  const relayed = way !== 'udp' && way !== 'tcp';
  let pc: RTCPeerConnection | undefined;
  let targets: string[] = [];
  try {
    pc = new RTCPeerConnection(relayed ? { iceTransportPolicy: 'relay' } : {});
    pc.createDataChannel('reach');
    const offer = await pc.createOffer();
    const limit = AbortSignal.any([signal, AbortSignal.timeout(within[way])]);
    const posted = await post(origin, offer.sdp ?? '', limit);
    const answer = keepOnly(posted.sdp, way === 'tcp' ? 'tcp' : 'udp');
    targets = answer.targets;
    if (targets.length === 0) return trial('absent', []);
    if (relayed) {
      const iceServers = posted.servers.filter((s) => serves(String(s.urls), way));
      if (iceServers.length === 0) return trial('absent', []);
      targets = iceServers.map((s) => String(s.urls));
      pc.setConfiguration({ iceTransportPolicy: 'relay', iceServers });
    }
    const up = connects(pc, relayed, within[way], signal);
    await pc.setLocalDescription(offer);
    await pc.setRemoteDescription({ type: 'answer', sdp: answer.sdp });
    return trial((await up) ? 'open' : 'blocked', targets);
  } catch (e) {
    signal.throwIfAborted();
    return trial('untested', targets, e instanceof DOMException && e.name === 'TimeoutError' ? new ProtocolError('timeout', 'the server did not answer') : asProtocolError(e));
  } finally {
    pc?.close();
  }
}

async function post(origin: string, sdp: string, signal: AbortSignal): Promise<{ sdp: string; servers: RTCIceServer[] }> {
  let response: Response;
  try {
    response = await fetch(`${origin}/reach`, { method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: sdp, signal });
  } catch (e) {
    throw e instanceof TypeError ? new ProtocolError('connection_lost', 'the server does not answer') : e;
  }
  if (response.status !== 201) throw await refused(response);
  return { sdp: await response.text(), servers: linkedServers(response.headers) };
}

function serves(url: string, way: MediaWay): boolean {
  return way === 'relay-tls' ? url.startsWith('turns:') : url.startsWith('turn:') && /[?&]transport=tcp\b/.test(url);
}

/** The answer with the candidates of one protocol only, and where those are. */
export function keepOnly(sdp: string, protocol: 'udp' | 'tcp'): { sdp: string; targets: string[] } {
  const targets: string[] = [];
  const kept = sdp.split(/\r?\n/).filter((line) => {
    const [foundation, , transport, , address, port] = line.split(' ');
    if (!foundation?.startsWith('a=candidate:')) return true;
    if (transport?.toLowerCase() !== protocol) return false;
    targets.push(`${address} ${port}`);
    return true;
  });
  return { sdp: kept.join('\r\n'), targets };
}

/** Whether the checks succeed in time. A relay that cannot be reached has no candidate, which is known before the time is up. */
function connects(pc: RTCPeerConnection, relayed: boolean, ms: number, signal: AbortSignal): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const verdict = new Promise<boolean>((end) => {
    let gathered = 0;
    timer = setTimeout(() => end(false), ms);
    pc.onicecandidate = (e) => void (e.candidate?.candidate && gathered++);
    pc.onicegatheringstatechange = () => void (relayed && pc.iceGatheringState === 'complete' && gathered === 0 && end(false));
    pc.oniceconnectionstatechange = () => {
      const state = pc.iceConnectionState;
      if (state === 'connected' || state === 'completed') end(true);
      else if (state === 'failed') end(false);
    };
  });
  return abortable(verdict, signal).finally(() => clearTimeout(timer));
}
