import { explain } from '../lib/probe';
import type { Tab } from './person';

/** What `spy` and `prepare` leave in a page. */
interface Prepared {
  peers: RTCPeerConnection[];
  /** When something was clicked, and when the first picture after that was shown (ms since 1970). */
  clicked: number;
  shown: number;
  counted: Map<RTCPeerConnection, Received>;
}

/** Runs in a page before its own code: keeps hold of when the first picture is shown. */
export function prepare(): void {
  const w = window as unknown as Prepared;
  w.counted = new Map();
  w.clicked = w.shown = 0;
  addEventListener('click', () => (w.clicked = Date.now()), true);
  new MutationObserver(() => {
    for (const v of document.querySelectorAll<HTMLVideoElement>('video:not([data-timed])')) {
      v.setAttribute('data-timed', '');
      v.requestVideoFrameCallback(() => (w.shown ||= Date.now()));
    }
  }).observe(document, { childList: true, subtree: true });
}

/** The ways to a relay, as candidates name them. */
export type Relay = 'udp' | 'tcp' | 'tls';

/**
 * Runs in a page before its own code: its connections use a relay that they reach by one way, and nothing else. Pages
 * are given no URL of a relay by UDP, for that would be a worse way than UDP itself; the one for TCP is made into it.
 */
export function relayOnly(by: Relay): void {
  const begins = by === 'tls' ? 'turns:' : 'turn:';
  const urls = (s: RTCIceServer) => [s.urls].flat().filter((u) => u.startsWith(begins)).map((u) => (by === 'udp' ? u.replace('=tcp', '=udp') : u));
  const narrow = (c: RTCConfiguration = {}): RTCConfiguration => ({
    ...c,
    iceTransportPolicy: 'relay',
    iceServers: (c.iceServers ?? []).map((s) => ({ ...s, urls: urls(s) })).filter((s) => s.urls.length > 0),
  });
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(c?: RTCConfiguration) {
      super(narrow(c));
    }
    override setConfiguration(c?: RTCConfiguration): void {
      super.setConfiguration(narrow(c));
    }
  };
}

/** Moments of a page (ms since 1970); 0 what has not been. */
export function moments(tab: Tab): Promise<{ clicked: number; shown: number }> {
  return tab.evaluate(() => {
    const { clicked, shown } = window as unknown as Prepared;
    return { clicked, shown };
  });
}

/** What a page has received of the picture, on all its connections together. */
export interface Received {
  frames: number;
  keyframes: number;
  packets: number;
  /** Packets that never came, not even when they were asked for again. */
  lost: number;
  freezes: number;
}

export function received(tab: Tab): Promise<Received> {
  return tab.evaluate(async () => {
    const { peers, counted } = window as unknown as Prepared;
    for (const pc of peers) {
      if (pc.connectionState === 'closed') continue; // counts as it did when it was asked last
      (await pc.getStats()).forEach((s) => {
        if (s.type !== 'inbound-rtp' || s.kind !== 'video') return;
        counted.set(pc, {
          frames: s.framesDecoded ?? 0,
          keyframes: s.keyFramesDecoded ?? 0,
          packets: s.packetsReceived ?? 0,
          lost: s.packetsLost ?? 0,
          freezes: s.freezeCount ?? 0,
        });
      });
    }
    const sum = { frames: 0, keyframes: 0, packets: 0, lost: 0, freezes: 0 };
    for (const c of counted.values()) for (const k of Object.keys(sum) as (keyof Received)[]) sum[k] += c[k];
    return sum;
  });
}

/** Frames decoded so far. */
export const frames = async (tab: Tab): Promise<number> => (await received(tab)).frames;

/**
 * The way that media take on the page's newest connection that is up: the selected pair's candidates, such as
 * "srflx/udp → host/udp", or "relay (tcp) → host/udp" by a relay that is reached over TCP. '' where there is none.
 */
export function way(tab: Tab): Promise<string> {
  return tab.evaluate(async () => {
    const pc = (window as unknown as Prepared).peers.findLast((p) => p.connectionState === 'connected');
    if (!pc) return '';
    const all = new Map<string, Record<string, unknown>>();
    (await pc.getStats()).forEach((s) => all.set(s.id, s));
    const transport = [...all.values()].find((s) => s['type'] === 'transport' && s['selectedCandidatePairId']);
    // Firefox marks the pair itself.
    const pair = transport ? all.get(String(transport['selectedCandidatePairId'])) : [...all.values()].find((s) => s['type'] === 'candidate-pair' && s['selected']);
    if (!pair) return '';
    const name = (id: unknown) => {
      const c = all.get(String(id));
      if (c?.['candidateType'] === 'relay') return `relay (${String(c['relayProtocol'])})`;
      return `${String(c?.['candidateType'])}/${String(c?.['protocol'])}`;
    };
    return `${name(pair['localCandidateId'])} → ${name(pair['remoteCandidateId'])}`;
  });
}

/** Asks until the answer is true, or throws with what was awaited and what the page says. */
export async function until(what: string, tab: Tab, answer: () => Promise<boolean>, seconds = 20): Promise<void> {
  const end = Date.now() + seconds * 1000;
  while (!(await answer())) {
    if (Date.now() > end) throw new Error(`${what}: not within ${seconds} s; ${await explain(tab)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
