/** Stand-ins for the browser's WebSocket, fetch, RTCPeerConnection and MediaStream. For tests only. */

import { vi } from 'vitest';

type Sent = Record<string, unknown> & { type: string };

export class FakeSocket {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  static get last(): FakeSocket {
    const s = FakeSocket.all.at(-1);
    if (!s) throw new Error('no socket was opened');
    return s;
  }

  readonly sent: Sent[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onmessage: ((e: { data: string }) => void) | null = null;
  onclose: ((e: { code: number }) => void) | null = null;
  /** Called for each message that the client sends. */
  onsent: (m: Sent) => void = () => {};

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    const m = JSON.parse(text) as Sent;
    this.sent.push(m);
    if (m.type === 'ping') this.say({ type: 'pong', t: m.t, time: serverTime() });
    this.onsent(m);
  }

  /** The code that the client closed it with. */
  code: number | undefined;

  close(code?: number): void {
    this.readyState = 3;
    this.code = code;
  }

  open(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  say(m: object): void {
    this.onmessage?.({ data: JSON.stringify(m) });
  }

  welcome(): void {
    this.open();
    this.say({ type: 'welcome', version: 1, server: 'test', time: serverTime() });
    this.say({ ch: 'rtc', type: 'ice', iceServers: [] });
  }

  /** The network or the server closes it. */
  drop(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }

  of(type: string): Sent[] {
    return this.sent.filter((m) => m.type === type);
  }
}

/** The server of these tests is an hour ahead. */
export function serverTime(): number {
  return Date.now() + 3_600_000;
}

export class FakePeer {
  static all: FakePeer[] = [];
  static get last(): FakePeer {
    const p = FakePeer.all.at(-1);
    if (!p) throw new Error('no connection was made');
    return p;
  }

  connectionState = 'new';
  iceConnectionState = 'new';
  iceGatheringState = 'new';
  oniceconnectionstatechange: (() => void) | null = null;
  onicegatheringstatechange: (() => void) | null = null;
  onicecandidate: ((e: { candidate: { candidate: string; usernameFragment?: string } | null }) => void) | null = null;
  localDescription: { sdp: string } | null = null;
  remote = '';
  offers = 0;
  /** What createOffer gives instead of a number. */
  offer = '';
  closed = false;
  readonly transceivers: { kind: string; direction?: string; sent: unknown }[] = [];
  report = new Map<string, object>();
  onconnectionstatechange: (() => void) | null = null;
  ontrack: ((e: { track: FakeTrack }) => void) | null = null;

  constructor(public config: RTCConfiguration = {}) {
    FakePeer.all.push(this);
  }

  /** Of the encryption. */
  dtls = 'connected';

  getTransceivers() {
    return [{ sender: { transport: { state: this.dtls } } }];
  }

  addTransceiver(what: string | FakeTrack, init: { direction?: string } = {}) {
    const kind = typeof what === 'string' ? what : what.kind;
    const t = { kind, ...init, sent: what as unknown };
    this.transceivers.push(t);
    const sender = {
      replaceTrack: async (track: unknown) => void (t.sent = track),
      getParameters: () => ({ encodings: [{}] }),
      setParameters: async () => undefined,
    };
    return { sender, receiver: {}, setCodecPreferences: () => undefined };
  }

  createDataChannel() {
    return {};
  }

  async createOffer(o: { iceRestart?: boolean } = {}) {
    return { type: 'offer', sdp: this.offer || `offer ${++this.offers}${o.iceRestart ? ' restart' : ''}` };
  }

  async setLocalDescription(d: { sdp: string }) {
    this.localDescription = d;
  }

  async setRemoteDescription(d: { sdp: string }) {
    this.remote = d.sdp;
  }

  getConfiguration() {
    return this.config;
  }

  setConfiguration(c: RTCConfiguration): void {
    this.config = c;
  }

  async getStats() {
    return this.report;
  }

  close(): void {
    this.closed = true;
  }

  /** The checks come to this state. */
  check(state: string): void {
    this.iceConnectionState = state;
    this.oniceconnectionstatechange?.();
  }

  /** All candidates are there: these. */
  gather(...candidates: string[]): void {
    const usernameFragment = `of offer ${this.offers}`;
    for (const candidate of candidates) this.onicecandidate?.({ candidate: { candidate, usernameFragment } });
    this.iceGatheringState = 'complete';
    this.onicegatheringstatechange?.();
  }

  become(state: string): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }
}

export class FakeTrack extends EventTarget {
  enabled = true;
  onended: (() => void) | null = null;
  stopped = false;
  constructor(readonly kind: string, public muted = false, readonly deviceId = `${kind}-1`) {
    super();
  }
  stop(): void {
    this.stopped = true;
  }
  getSettings() {
    return { deviceId: this.deviceId };
  }
  async applyConstraints() {}
}

export class FakeStream {
  #tracks: FakeTrack[];
  constructor(tracks: FakeTrack[] = []) {
    this.#tracks = [...tracks];
  }
  getTracks(): FakeTrack[] {
    return [...this.#tracks];
  }
  addTrack(t: FakeTrack): void {
    if (!this.#tracks.includes(t)) this.#tracks.push(t);
  }
  removeTrack(t: FakeTrack): void {
    this.#tracks = this.#tracks.filter((x) => x !== t);
  }
}

/** What answers HTTP requests, and how: 'silent' as when the network is away. */
export class FakeServer {
  static answer: number | 'silent' | 'refused' = 200;
  static asked: string[] = [];

  static fetch(url: string, { signal }: { signal: AbortSignal }): Promise<{ status: number }> {
    const { answer } = FakeServer;
    FakeServer.asked.push(url);
    if (answer === 'refused') return Promise.reject(new TypeError('refused'));
    if (answer !== 'silent') return Promise.resolve({ status: answer });
    return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
  }
}

/** Puts the fakes in the browser's places and the clock in the test's hands. */
export function fakeBrowser(): void {
  FakeSocket.all = [];
  FakeServer.answer = 200;
  FakeServer.asked = [];
  FakePeer.all = [];
  vi.useFakeTimers();
  vi.spyOn(Math, 'random').mockReturnValue(1);
  vi.stubGlobal('WebSocket', FakeSocket);
  vi.stubGlobal('fetch', FakeServer.fetch);
  vi.stubGlobal('RTCPeerConnection', FakePeer);
  vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/VP8' }, { mimeType: 'video/H264' }] }) });
  vi.stubGlobal('MediaStream', FakeStream);
}

export function realBrowser(): void {
  vi.useRealTimers();
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
}

/** Lets everything that waits for nothing but promises run. */
export async function settle(): Promise<void> {
  await vi.advanceTimersByTimeAsync(0);
}

/** Answers every publish, watch and restart on this socket as the server does. */
export function answering(s: FakeSocket, more: object = {}): void {
  s.onsent = (m) => {
    if (m.type === 'publish') s.say({ ch: 'rtc', type: 'answer', id: m.id, sdp: 'answer', resume: 'secret', session: `s-${String(m.id)}`, ...more });
    if (m.type === 'watch') s.say({ ch: 'rtc', type: 'answer', id: m.id, sdp: 'answer', session: `s-${String(m.id)}`, ...more });
    if (m.type === 'restart') s.say({ ch: 'rtc', type: 'answer', id: m.id, sdp: 'answer', ...more });
  };
}
