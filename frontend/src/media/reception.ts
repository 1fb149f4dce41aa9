/** What a player measures of the media that it receives. Knows reports, no connection and no element. */

import { Deltas, codecOf, entries, find, num, routeOf, type Stat } from './report';
import type { PlayerStats } from './types';

/** NTP counts from 1900, the web from 1970 (ms). */
const ntpToUnix = 2_208_988_800_000;
/** How much more than the time that passed (s) a delay may grow: the clocks' inaccuracy. */
const slack = 0.25;

export interface Reception {
  stats: PlayerStats;
  /** Seconds from the server to the screen; null while unknown. */
  delay: number | null;
  /** Media has come since the last reading. */
  alive: boolean;
  /** Sound has come on this connection: a track is there for streams without sound as well. */
  sound: boolean;
}

export class ReceptionMeter {
  #deltas = new Deltas();
  /** The last delay that was believed of the playout time, in seconds. */
  #believed: number | null = null;

  /** Forgets the counters: another connection counts anew. */
  reset(): void {
    this.#deltas = new Deltas();
    this.#believed = null;
  }

  /** Takes one report. `serverNow` is the server's clock at that time, ms since 1970. */
  read(report: RTCStatsReport, serverNow: number, wantsVideo: boolean): Reception {
    const all = entries(report);
    const video = find(all, 'inbound-rtp', 'video');
    const audio = find(all, 'inbound-rtp', 'audio');
    const { path, way, rttMs } = routeOf(all);
    const frames = this.#deltas.of('frames', num(video, 'framesDecoded'));
    const packets = this.#deltas.of('packets', num(audio, 'packetsReceived'));
    const stats: PlayerStats = {
      width: num(video, 'frameWidth'),
      height: num(video, 'frameHeight'),
      fps: Math.round(num(video, 'framesPerSecond')),
      bitrate: this.#bitrate(video, audio),
      codec: codecOf(all, video),
      audioCodec: codecOf(all, audio),
      lossPercent: this.#loss(video, audio),
      jitterMs: num(video ?? audio, 'jitter') * 1000,
      rttMs,
      framesDropped: num(video, 'framesDropped'),
      framesDecoded: num(video, 'framesDecoded'),
      freezes: num(video, 'freezeCount'),
      path,
      way,
      audioEnergy: num(audio, 'totalAudioEnergy'),
    };
    return {
      stats,
      delay: this.#delay(video ?? audio, serverNow, rttMs),
      alive: frames > 0 || (!wantsVideo && packets > 0),
      sound: num(audio, 'packetsReceived') > 0,
    };
  }

  #bitrate(video: Stat | undefined, audio: Stat | undefined): number {
    const bytes = this.#deltas.of('videoBytes', num(video, 'bytesReceived')) + this.#deltas.of('audioBytes', num(audio, 'bytesReceived'));
    const ms = this.#deltas.of('time', num(video ?? audio, 'timestamp'));
    return ms > 0 ? Math.round((bytes * 8000) / ms) : 0;
  }

  #loss(video: Stat | undefined, audio: Stat | undefined): number {
    // Packets that come late lower the count of lost ones, so the difference may be negative: then it is 0.
    const lost = this.#deltas.of('lost', num(video, 'packetsLost') + num(audio, 'packetsLost'));
    const came = this.#deltas.of('came', num(video, 'packetsReceived') + num(audio, 'packetsReceived'));
    return lost + came > 0 ? (100 * lost) / (lost + came) : 0;
  }

  // The frame on the screen carries the server's time of its arrival there, by way of the sender reports.
  // Where a browser does not tell, the time in the jitter buffer and half a round trip come near.
  #delay(rtp: Stat | undefined, serverNow: number, rttMs: number | null): number | null {
    const buffered = this.#buffered(rtp, rttMs);
    const passed = this.#deltas.of('read', num(rtp, 'timestamp')) / 1000;
    const playout = num(rtp, 'estimatedPlayoutTimestamp');
    if (playout > 0) {
      const shown = playout > ntpToUnix ? playout - ntpToUnix : playout;
      const delay = (serverNow - shown) / 1000;
      // A picture that stands still falls behind by the time that passes; a larger step is the estimate's own.
      const real = this.#believed === null || delay <= this.#believed + passed + slack;
      if (real && delay > -0.05 && delay < 30) return (this.#believed = Math.max(0, delay));
    }
    return buffered;
  }

  #buffered(rtp: Stat | undefined, rttMs: number | null): number | null {
    // Processing has decoding in it, the jitter buffer alone has not; sound and older browsers know only that.
    const whole = rtp?.totalProcessingDelay !== undefined;
    const waited = this.#deltas.of('waited', num(rtp, whole ? 'totalProcessingDelay' : 'jitterBufferDelay'));
    const emitted = this.#deltas.of('emitted', num(rtp, whole ? 'framesDecoded' : 'jitterBufferEmittedCount'));
    return emitted > 0 ? waited / emitted + (rttMs ?? 0) / 2000 : null;
  }
}
