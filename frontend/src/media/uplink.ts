/** What a studio measures of the media that it sends. Knows reports, no connection. */

import { Deltas, codecOf, entries, find, num, routeOf, type Stat } from './report';
import type { UplinkStats } from './types';

export class UplinkMeter {
  #deltas = new Deltas();

  /** Forgets the counters: another connection counts anew. */
  reset(): void {
    this.#deltas = new Deltas();
  }

  read(report: RTCStatsReport): UplinkStats {
    const all = entries(report);
    const video = find(all, 'outbound-rtp', 'video');
    const audio = find(all, 'outbound-rtp', 'audio');
    const { path, way, rttMs } = routeOf(all);
    const bytes = this.#deltas.of('videoBytes', num(video, 'bytesSent')) + this.#deltas.of('audioBytes', num(audio, 'bytesSent'));
    const ms = this.#deltas.of('time', num(video ?? audio, 'timestamp'));
    const limited = video?.qualityLimitationReason;
    return {
      bitrate: ms > 0 ? Math.round((bytes * 8000) / ms) : 0,
      rttMs,
      lossPercent: loss(all),
      width: num(video, 'frameWidth'),
      height: num(video, 'frameHeight'),
      fps: Math.round(num(video, 'framesPerSecond')),
      codec: codecOf(all, video),
      path,
      way,
      limited: typeof limited === 'string' && limited !== 'none' ? limited : '',
    };
  }
}

/** The loss that the server reports, the worse of sound and picture. */
function loss(all: Stat[]): number {
  const fractions = all.filter((s) => s.type === 'remote-inbound-rtp').map((s) => num(s, 'fractionLost'));
  return 100 * Math.max(0, ...fractions);
}
