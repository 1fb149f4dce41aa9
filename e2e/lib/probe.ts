import type { Page } from '@playwright/test';

/** What both Playwright's and Puppeteer's pages can do. */
export type Evaluator = Pick<Page, 'evaluate'>;

/** Runs in the page before its own code: keeps hold of every peer connection. */
export function spy(): void {
  const Native = window.RTCPeerConnection;
  const all: RTCPeerConnection[] = [];
  (window as unknown as { peers: RTCPeerConnection[] }).peers = all;
  window.RTCPeerConnection = class extends Native {
    constructor(c?: RTCConfiguration) {
      super(c);
      all.push(this);
    }
  };
}

/** What has been decoded so far on the page's newest connection. */
export interface Heard {
  frames: number;
  energy: number;
  audioPackets: number;
  width: number;
  codec: string;
}

export function heard(page: Evaluator): Promise<Heard> {
  return page.evaluate(async () => {
    const peers = (window as unknown as { peers: RTCPeerConnection[] }).peers;
    const found = { frames: 0, energy: 0, audioPackets: 0, width: 0, codec: '' };
    const pc = peers.at(-1);
    if (!pc) return found;
    const report = await pc.getStats();
    report.forEach((s) => {
      if (s.type !== 'inbound-rtp') return;
      if (s.kind === 'video') {
        found.frames = s.framesDecoded ?? 0;
        found.width = s.frameWidth ?? 0;
        found.codec = report.get(s.codecId)?.mimeType ?? '';
      } else {
        found.energy = s.totalAudioEnergy ?? 0;
        found.audioPackets = s.packetsReceived ?? 0;
      }
    });
    return found;
  });
}

/** Why there is no picture, as far as the page can say. */
export function explain(page: Evaluator): Promise<string> {
  return page.evaluate(async () => {
    const { peers } = window as unknown as { peers: RTCPeerConnection[] };
    const pc = peers.at(-1);
    const phase = document.querySelector('[data-phase]')?.getAttribute('data-phase') ?? 'none';
    const status = [...document.querySelectorAll('[role="status"], [role="alert"]')].map((e) => e.textContent?.trim()).filter(Boolean).join(' ');
    const shown = `the page's phase is ${phase}${status && ` ("${status}")`}`;
    if (!pc) return `${shown}; it made no connection for media`;
    const own: string[] = [];
    const theirs: string[] = [];
    const media: string[] = [];
    (await pc.getStats()).forEach((s) => {
      if (s.type === 'local-candidate') own.push(s.candidateType === 'relay' ? `relay (${s.relayProtocol})` : `${s.candidateType}/${s.protocol}`);
      if (s.type === 'remote-candidate') theirs.push(`${s.candidateType}/${s.protocol}`);
      if (s.type === 'inbound-rtp') media.push(`${s.packetsReceived} ${s.kind} packets came (${s.framesDecoded ?? 0} frames decoded, ${s.pliCount ?? 0} PLI sent)`);
      if (s.type === 'outbound-rtp') media.push(`${s.packetsSent} ${s.kind} packets went (${s.framesEncoded ?? 0} frames encoded, ${s.pliCount ?? 0} PLI came)`);
    });
    const list = (of: string[]) => [...new Set(of)].join(', ') || 'none';
    return `${shown}; of ${peers.length} connections for media, the last one's ICE is ${pc.iceConnectionState}, own candidates: ${list(own)}; the server's: ${list(theirs)}; ${media.join(', ') || 'no media'}`;
  });
}

/** The selected pair of the page's newest connection: the local candidate's type, and how the media reach the server. */
export function path(page: Evaluator): Promise<string> {
  return page.evaluate(async () => {
    const pc = (window as unknown as { peers: RTCPeerConnection[] }).peers.at(-1);
    let found = 'none';
    const report = await pc?.getStats();
    report?.forEach((s) => {
      if (s.type !== 'transport' || !s.selectedCandidatePairId) return;
      const local = report.get(report.get(s.selectedCandidatePairId)?.localCandidateId);
      const relayed = local?.candidateType === 'relay';
      found = relayed ? `relay/${local.relayProtocol}` : `direct/${local?.protocol}`;
    });
    return found;
  });
}

/** The picture on the page, shrunk to 32 x 18 grey values. */
export function picture(page: Evaluator): Promise<number[]> {
  return page.evaluate(() => {
    const video = document.querySelector('video');
    const canvas = document.createElement('canvas');
    canvas.width = 32;
    canvas.height = 18;
    const context = canvas.getContext('2d');
    if (!video || !context || video.videoWidth === 0) return [];
    context.drawImage(video, 0, 0, 32, 18);
    const { data } = context.getImageData(0, 0, 32, 18);
    return Array.from({ length: 32 * 18 }, (_, i) => data[4 * i + 1] ?? 0);
  });
}

/** Tells whether two pictures differ, and the second is not one plain colour. */
export function moved(before: number[], after: number[]): boolean {
  const different = after.some((v, i) => Math.abs(v - (before[i] ?? 0)) > 16);
  return different && new Set(after).size > 2;
}
