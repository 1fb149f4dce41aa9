import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { peakOf, silence } from './meter';
import { base64 } from './poster';
import { codecName, constraintsOf, encodable, limitsOf } from './presets';
import { ReceptionMeter } from './reception';
import { Silence } from './silence';
import { UplinkMeter } from './uplink';

afterEach(() => vi.unstubAllGlobals());

function report(...stats: Record<string, unknown>[]): RTCStatsReport {
  return new Map(stats.map((s, i) => [String(s.id ?? i), s])) as unknown as RTCStatsReport;
}

const path = (local: object) => [
  { type: 'transport', id: 'T', selectedCandidatePairId: 'P' },
  { type: 'candidate-pair', id: 'P', localCandidateId: 'L', currentRoundTripTime: 0.03 },
  { type: 'local-candidate', id: 'L', ...local },
];

const now = 1_790_000_000_000;

function video(more: object) {
  return { type: 'inbound-rtp', kind: 'video', id: 'V', codecId: 'C', frameWidth: 1280, frameHeight: 720, framesPerSecond: 29.9, ...more };
}

test('rates come from two readings, the delay from the frame on the screen', () => {
  const m = new ReceptionMeter();
  const codec = { type: 'codec', id: 'C', mimeType: 'video/VP8' };
  const first = m.read(report(video({ timestamp: 1000, bytesReceived: 0, framesDecoded: 5, packetsReceived: 10, packetsLost: 0 })), now, true);
  expect(first.stats.bitrate).toBe(0);
  expect(first.alive).toBe(false);
  const shown = now - 250 + 2_208_988_800_000;
  const { stats, delay, alive } = m.read(
    report(codec, ...path({ protocol: 'udp' }),
      video({ timestamp: 2000, bytesReceived: 125_000, framesDecoded: 35, packetsReceived: 100, packetsLost: 10, estimatedPlayoutTimestamp: shown })),
    now, true);
  expect(stats).toMatchObject({ width: 1280, height: 720, fps: 30, bitrate: 1_000_000, codec: 'VP8', lossPercent: 10, rttMs: 30, path: 'udp' });
  expect(delay).toBeCloseTo(0.25);
  expect(alive).toBe(true);
});

test('without the browser’s word the delay is buffer and half a round trip', () => {
  const m = new ReceptionMeter();
  m.read(report(video({ jitterBufferDelay: 0, jitterBufferEmittedCount: 0 })), now, true);
  const { delay } = m.read(report(...path({ protocol: 'tcp' }), video({ jitterBufferDelay: 3, jitterBufferEmittedCount: 30 })), now, true);
  expect(delay).toBeCloseTo(0.115);
});

test('decoding counts as delay where the browser tells it', () => {
  const m = new ReceptionMeter();
  m.read(report(video({ totalProcessingDelay: 0, framesDecoded: 0 })), now, true);
  const { delay } = m.read(report(...path({ protocol: 'udp' }), video({ totalProcessingDelay: 3, framesDecoded: 30 })), now, true);
  expect(delay).toBeCloseTo(0.115);
});

test('a clock that cannot be right is not believed', () => {
  const m = new ReceptionMeter();
  expect(m.read(report(video({ estimatedPlayoutTimestamp: now - 99_000 })), now, true).delay).toBeNull();
});

test('a delay that grows faster than time passes is not believed', () => {
  const m = new ReceptionMeter();
  let frames = 0;
  /** The delay that is read half a second after the one before. */
  const read = (estimate: number) => {
    frames += 15;
    const at = now + (frames / 30) * 1000;
    return m.read(report(video({
      timestamp: at, framesDecoded: frames, totalProcessingDelay: frames * 0.1, estimatedPlayoutTimestamp: at - estimate * 1000,
    })), at, true).delay;
  };
  expect(read(0.3)).toBeCloseTo(0.3);
  expect(read(7.9), 'buffer instead').toBeCloseTo(0.1);
  expect(read(7.9), 'however long it lasts').toBeCloseTo(0.1);
  expect(read(0.4)).toBeCloseTo(0.4);
  expect(read(0.9), 'a picture that stands still').toBeCloseTo(0.9);
  expect(read(0.2), 'and catches up').toBeCloseTo(0.2);
  m.reset();
  expect(read(5), 'another connection').toBeCloseTo(5);
});

test('sound has come when its packets have', () => {
  const audio = (n: number) => report({ type: 'inbound-rtp', kind: 'audio', packetsReceived: n });
  const m = new ReceptionMeter();
  expect(m.read(report(video({})), now, true).sound).toBe(false);
  expect(m.read(audio(0), now, true).sound).toBe(false);
  expect(m.read(audio(1), now, true).sound).toBe(true);
});

test('sound alone is alive by its packets', () => {
  const audio = (n: number) => report({ type: 'inbound-rtp', kind: 'audio', packetsReceived: n });
  const m = new ReceptionMeter();
  m.read(audio(1), now, false);
  expect(m.read(audio(2), now, false).alive).toBe(true);
  expect(m.read(audio(3), now, true).alive).toBe(false);
  expect(m.read(audio(3), now, false).alive).toBe(false);
});

test('a relay that is reached over TCP is TCP', () => {
  const m = new ReceptionMeter();
  expect(m.read(report(...path({ protocol: 'udp', relayProtocol: 'tcp' })), now, true).stats.path).toBe('tcp');
  expect(m.read(report(), now, true).stats.path).toBeNull();
});

test.each<[string | null, object]>([
  ['udp', { protocol: 'udp', candidateType: 'host' }],
  ['tcp', { protocol: 'tcp', candidateType: 'prflx' }],
  ['relay-udp', { protocol: 'udp', candidateType: 'relay', relayProtocol: 'udp' }],
  ['relay-tcp', { protocol: 'udp', candidateType: 'relay', relayProtocol: 'tcp' }],
  ['relay-tls', { protocol: 'udp', candidateType: 'relay', relayProtocol: 'tls' }],
  [null, {}],
])('the way is %s with %j', (way, local) => {
  expect(new ReceptionMeter().read(report(...path(local)), now, true).stats.way).toBe(way);
});

describe('silence', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const came = (bytesReceived: number) => report({ type: 'transport', bytesReceived });
  /** The times (s) of the reports that raise a doubt. */
  const doubts = (every: number, reports: RTCStatsReport[], s = new Silence()) =>
    reports.flatMap((r, i) => {
      const doubted = s.doubts(r);
      vi.advanceTimersByTime(every);
      return doubted ? [(i * every) / 1000] : [];
    });

  test('is doubted after half a second, and every two', () => {
    expect(doubts(500, [10, 20, 20, 20, 20, 20, 20, 20, 30, 30, 30].map(came))).toEqual([1, 3, 4.5]);
  });

  test('is doubted at the second report of silence where they come often', () => {
    expect(doubts(250, [10, 20, 20, 20, 30, 30].map(came))).toEqual([0.75]);
  });

  test('is doubted at the first report of it where a hidden tab gets one a second', () => {
    expect(doubts(1000, [10, 20, 20, 20, 20, 20].map(came))).toEqual([2, 4]);
  });

  test('is known from the pairs where transports count nothing, as in Firefox', () => {
    const pair = (bytesReceived: number) => report({ type: 'transport' }, { type: 'candidate-pair', bytesReceived });
    expect(doubts(500, [10, 20, 30, 40, 50, 60].map(pair))).toEqual([]);
    expect(doubts(500, [10, 20, 20].map(pair))).toEqual([1]);
  });

  test('is nothing of another connection', () => {
    const s = new Silence();
    expect(doubts(500, [10, 20].map(came), s)).toEqual([]);
    s.reset();
    expect(doubts(500, [20, 30].map(came), s)).toEqual([]);
  });
});

test('the uplink is measured like that', () => {
  const m = new UplinkMeter();
  const out = (timestamp: number, bytesSent: number) =>
    report({ type: 'outbound-rtp', kind: 'video', timestamp, bytesSent, frameWidth: 640, qualityLimitationReason: 'cpu' },
      { type: 'remote-inbound-rtp', kind: 'video', fractionLost: 0.02 });
  m.read(out(0, 0));
  expect(m.read(out(500, 62_500))).toMatchObject({ bitrate: 1_000_000, width: 640, limited: 'cpu', lossPercent: 2, path: null });
});

test('a peak is told in dBFS', () => {
  expect(peakOf([0, 0])).toBe(silence);
  expect(peakOf([0.5, -1])).toBe(0);
  expect(peakOf([0.1])).toBe(-20);
  expect(peakOf([2])).toBe(0);
});

test('presets and codecs', () => {
  expect(limitsOf('360p15')).toEqual({ videoBitrate: 500_000, audioBitrate: 64_000, fps: 15 });
  expect(constraintsOf('720p30').width).toEqual({ ideal: 1280 });
  expect(codecName('auto')).toBe('VP8');
  expect(encodable()).toEqual(['auto']);
  vi.stubGlobal('RTCRtpSender', { getCapabilities: () => ({ codecs: [{ mimeType: 'video/AV1' }, { mimeType: 'video/vp8' }, { mimeType: 'video/rtx' }] }) });
  expect(encodable()).toEqual(['auto', 'VP8', 'AV1']);
});

test('stills are base64', () => {
  expect(base64(new Uint8Array([0xff, 0xd8, 0xff]))).toBe('/9j/');
});
