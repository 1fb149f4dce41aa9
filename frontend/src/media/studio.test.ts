import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from '../client/connection';
import { FakePeer, FakeSocket, FakeStream, FakeTrack, answering, fakeBrowser, realBrowser, settle } from '../client/fakes';
import { StudioStore } from './studio';

type Ask = { video?: { deviceId?: { exact: string } }; audio?: boolean | { deviceId?: { exact: string } } };

/** What getUserMedia answers, by kind; an error's name refuses. */
let camera: string | null;
let microphone: string | null;
let opened: FakeTrack[];
let storage: Map<string, string>;
let page: EventTarget;
const studios: StudioStore[] = [];

const devices = Object.assign(new EventTarget(), {
  async getUserMedia(ask: Ask) {
    const refusal = (ask.video && camera) || (ask.audio && microphone);
    if (refusal) throw new DOMException('', refusal);
    const id = (a: unknown, or: string) => (a as { deviceId?: { exact: string } }).deviceId?.exact ?? or;
    const tracks: FakeTrack[] = [];
    if (ask.video) tracks.push(new FakeTrack('video', false, id(ask.video, 'cam-1')));
    if (ask.audio) tracks.push(new FakeTrack('audio', false, id(ask.audio, 'mic-1')));
    opened.push(...tracks);
    return new FakeStream(tracks);
  },
  async getDisplayMedia() {
    const t = new FakeTrack('video', false, 'screen');
    opened.push(t);
    return new FakeStream([t]);
  },
  async enumerateDevices() {
    return [{ kind: 'videoinput', deviceId: 'cam-1', label: 'Front' }, { kind: 'audioinput', deviceId: 'mic-1', label: '' }];
  },
});

beforeEach(() => {
  fakeBrowser();
  camera = microphone = null;
  opened = [];
  storage = new Map();
  page = new EventTarget();
  vi.stubGlobal('addEventListener', (type: string, fn: () => void) => page.addEventListener(type, fn));
  vi.stubGlobal('removeEventListener', (type: string, fn: () => void) => page.removeEventListener(type, fn));
  const video = () => Object.assign(new EventTarget(), { play: async () => undefined, readyState: 0 });
  vi.stubGlobal('document', Object.assign(new EventTarget(), { hidden: false, createElement: video }));
  vi.stubGlobal('HTMLMediaElement', { HAVE_CURRENT_DATA: 2 });
  vi.stubGlobal('navigator', { onLine: true, mediaDevices: devices });
  vi.stubGlobal('sessionStorage', {
    getItem: (k: string) => storage.get(k) ?? null, setItem: (k: string, v: string) => storage.set(k, v), removeItem: (k: string) => storage.delete(k),
  });
});
afterEach(() => {
  for (const s of studios.splice(0)) s.close();
  realBrowser();
});

async function studio(): Promise<StudioStore> {
  const s = new StudioStore(new Connection({ url: 'ws://test/ws' }));
  studios.push(s);
  const open = s.open();
  answering(FakeSocket.last);
  FakeSocket.last.welcome();
  await open;
  return s;
}

function stream(state: string, more: object = {}): void {
  FakeSocket.last.say({ ch: 'rtc', type: 'stream', stream: { name: 'harbour', title: 'Dawn', state, viewers: 0, tracks: [], ...more } });
}

async function live(): Promise<StudioStore> {
  const s = await studio();
  s.goLive({ stream: 'harbour', title: 'Dawn' });
  await settle();
  FakePeer.last.become('connected');
  stream('live', { since: 1000 });
  return s;
}

test('opens camera and microphone with one question', async () => {
  const s = await studio();
  expect(s.get()).toMatchObject({
    phase: 'ready', problem: null, camera: 'cam-1', microphone: 'mic-1', codecs: ['auto', 'VP8', 'H264'],
    cameras: [{ id: 'cam-1', label: 'Front' }], microphones: [{ id: 'mic-1', label: 'Microphone 1' }],
  });
  expect(s.get().preview).not.toBeNull();
});

test.each([
  ['NotAllowedError', 'NotAllowedError', 'devices_blocked', null],
  ['NotFoundError', null, 'camera_missing', 'mic-1'],
  ['NotReadableError', null, 'camera_busy', 'mic-1'],
  ['NotFoundError', 'NotFoundError', 'devices_missing', null],
])('camera %s, microphone %s: %s', async (cam, mic, code, id) => {
  camera = cam;
  microphone = mic;
  const s = await studio();
  expect(s.get()).toMatchObject({ phase: 'ready', problem: { code }, camera: null, microphone: id });
});

test('an insecure page is explained, checking again clears it', async () => {
  vi.stubGlobal('navigator', { onLine: true });
  const s = await studio();
  expect(s.get().problem?.message).toContain('https://');
  vi.stubGlobal('navigator', { onLine: true, mediaDevices: devices });
  await s.open();
  expect(s.get()).toMatchObject({ phase: 'ready', problem: null, camera: 'cam-1' });
});

test('goes on air, counts viewers, and off', async () => {
  const s = await live();
  expect(s.get()).toMatchObject({ phase: 'live', since: 1000, stream: 'harbour' });
  expect(FakePeer.last.transceivers.map((t) => t.kind)).toEqual(['video', 'audio']);
  expect(storage.get('heliograph.resume.harbour')).toBe('secret');
  stream('live', { viewers: 4 });
  stream('live', { viewers: 2, title: 'Noon' });
  expect(s.get()).toMatchObject({ viewers: 2, peak: 4, title: 'Noon' });
  await vi.advanceTimersByTimeAsync(130_000);
  expect(s.get().history.length).toBe(120);
  s.end();
  await settle();
  expect(s.get().phase).toBe('ended');
  expect(FakeSocket.last.of('stop').length).toBe(1);
  expect(storage.size).toBe(0);
  expect(s.get().log.map((l) => l.text)).toEqual(['Connecting as harbour.', 'On air as harbour.', 'Off air.']);
});

test('a reload takes over with the kept secret', async () => {
  storage.set('heliograph.resume.harbour', 'earlier');
  await live();
  expect(FakeSocket.last.of('publish')[0]).toMatchObject({ resume: 'earlier' });
});

test('a title is the server’s, not the wish', async () => {
  const s = await live();
  s.setTitle('Noon');
  expect(s.get().title).toBe('Dawn');
  stream('live', { title: 'Noon' });
  expect(s.get().title).toBe('Noon');
});

test('the screen takes the camera’s place without a new session, and gives it back', async () => {
  const s = await live();
  await s.shareScreen();
  const screen = opened.at(-1);
  expect(FakePeer.last.transceivers[0]?.sent).toBe(screen);
  expect(s.get().screen).toBe(true);
  screen?.onended?.();
  expect(FakePeer.last.transceivers[0]?.sent).toBe(opened[0]);
  expect(s.get().screen).toBe(false);
  expect(FakePeer.all.length).toBe(1);
});

test('another camera replaces the first; switching off keeps it', async () => {
  const s = await live();
  await s.selectCamera('cam-2');
  expect(opened[0]?.stopped).toBe(true);
  expect(s.get().camera).toBe('cam-2');
  s.setCamera(false);
  s.setMic(false);
  expect(opened.map((t) => t.enabled)).toEqual([true, false, false]);
  expect(s.get()).toMatchObject({ cameraOn: false, micOn: false });
});

test('a camera that is unplugged is said, whatever the viewers do', async () => {
  const s = await live();
  opened[0]?.onended?.();
  stream('live', { viewers: 9 });
  expect(s.get()).toMatchObject({ phase: 'live', camera: null, problem: { code: 'camera_gone' } });
});

test('a taken name leads back to the choices', async () => {
  const s = await studio();
  FakeSocket.last.onsent = (m) => m.type === 'publish' && FakeSocket.last.say({ ch: 'rtc', type: 'error', id: m.id, code: 'busy', message: '' });
  s.goLive({ stream: 'harbour', title: '' });
  await settle();
  expect(s.get()).toMatchObject({ phase: 'ready', problem: { code: 'busy', action: 'rename' } });
});

test('a lost path is mended, a takeover is not fought', async () => {
  const s = await live();
  FakePeer.last.become('failed');
  await settle();
  expect(s.get()).toMatchObject({ phase: 'reconnecting', problem: { code: 'failed' } });
  expect(FakeSocket.last.of('restart').length).toBe(1);
  FakePeer.last.become('connected');
  expect(s.get()).toMatchObject({ phase: 'live', problem: null });
  FakeSocket.last.say({ ch: 'rtc', type: 'stopped', id: 'p1', code: 'replaced', message: '' });
  await vi.advanceTimersByTimeAsync(60_000);
  expect(s.get()).toMatchObject({ phase: 'ended', problem: { code: 'replaced' } });
  expect(FakeSocket.last.of('publish').length).toBe(1);
});

test('a codec takes a new session, one that is missing is refused', async () => {
  const s = await live();
  s.setCodec('AV1');
  expect(s.get()).toMatchObject({ codec: 'auto', problem: { code: 'codec_missing' } });
  s.setCodec('H264');
  await settle();
  expect(FakeSocket.last.of('publish').length).toBe(2);
  expect(s.get().codec).toBe('H264');
});

test('without anything to send nothing is sent', async () => {
  camera = microphone = 'NotFoundError';
  const s = await studio();
  s.goLive({ stream: 'harbour', title: '' });
  expect(s.get()).toMatchObject({ phase: 'ready', problem: { code: 'nothing_to_send' } });
});

test('close lets go of everything', async () => {
  const s = await live();
  s.close();
  await settle();
  expect(opened.every((t) => t.stopped)).toBe(true);
  expect(FakePeer.last.closed).toBe(true);
  expect(s.get().phase).toBe('idle');
});

/** Loads the page anew: what runs ends without a word, and a new studio opens. */
async function reload(after = 0): Promise<StudioStore> {
  page.dispatchEvent(new Event('pagehide'));
  page = new EventTarget();
  await vi.advanceTimersByTimeAsync(after);
  return studio();
}

test('a reload on air goes on air again by itself, once', async () => {
  const old = await studio();
  await old.setPreset('480p30');
  old.setMic(false);
  old.goLive({ stream: 'harbour', title: 'Dawn', token: 'key' });
  await settle();
  FakePeer.last.become('connected');
  stream('live');
  await reload();
  // Pressed twice.
  const s = await reload();
  await settle();
  expect(FakeSocket.last.of('publish')[0]).toMatchObject({ stream: 'harbour', title: 'Dawn', token: 'key', resume: 'secret' });
  FakePeer.last.become('connected');
  stream('live');
  expect(s.get()).toMatchObject({ phase: 'live', preset: '480p30', cameraOn: true, micOn: false });
  expect(s.get().log.at(-1)?.text).toBe('Back on air after a reload.');
  expect(storage.has('heliograph.onair')).toBe(false);
});

test('after a reload nothing is sent that was not sent before', async () => {
  const old = await live();
  await old.selectCamera('cam-2');
  await old.selectMicrophone('mic-2');
  const s = await reload();
  await settle();
  expect(s.get()).toMatchObject({ phase: 'connecting', camera: 'cam-2', microphone: 'mic-2' });
  FakePeer.last.become('connected');
  stream('live');
  await s.shareScreen();
  const again = await reload();
  expect(again.get()).toMatchObject({ cameraOn: false, micOn: true, screen: false });
});

test('a reload that took too long, or off air, waits for a press', async () => {
  await live();
  expect((await reload(13_000)).get().phase).toBe('ready');
  const s = await live();
  s.end();
  expect((await reload()).get().phase).toBe('ready');
  storage.set('heliograph.onair', '{"at":');
  expect((await studio()).get().phase).toBe('ready');
});

test.each(['unauthenticated', 'denied'])('a typed key that is refused with %s is named', async (code) => {
  const s = await studio();
  FakeSocket.last.onsent = (m) => m.type === 'publish' && FakeSocket.last.say({ ch: 'rtc', type: 'error', id: m.id, code, message: '' });
  s.goLive({ stream: 'harbour', title: '', token: 'wrong' });
  await settle();
  expect(s.get()).toMatchObject({ phase: 'ready', problem: { code: 'wrong_key' } });
});

test('a server that restarts is reconnecting at once', async () => {
  const s = await live();
  FakeSocket.last.drop(1012);
  await settle();
  expect(s.get()).toMatchObject({ phase: 'reconnecting', problem: { code: 'shutdown' } });
});

test('the network is not blamed while the encoder is on its way up', async () => {
  const s = await live();
  FakePeer.last.report = new Map([['V', { id: 'V', type: 'outbound-rtp', kind: 'video', qualityLimitationReason: 'bandwidth' }]]);
  await vi.advanceTimersByTimeAsync(20_000);
  expect(s.get().stats?.limited).toBe('');
  await vi.advanceTimersByTimeAsync(1000);
  expect(s.get().stats?.limited).toBe('bandwidth');
  expect(s.get().log.at(-1)?.text).toContain('slow');
});
