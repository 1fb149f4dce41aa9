/** What the presets of the studio mean. */

import type { SendLimits } from '../client/publication';
import type { CodecChoice, PresetName } from './types';

interface Preset {
  width: number;
  height: number;
  fps: number;
  /** bit/s at most; congestion control goes below it by itself. */
  videoBitrate: number;
}

const presets: Record<PresetName, Preset> = {
  '1080p30': { width: 1920, height: 1080, fps: 30, videoBitrate: 4_500_000 },
  '720p30': { width: 1280, height: 720, fps: 30, videoBitrate: 2_500_000 },
  '480p30': { width: 854, height: 480, fps: 30, videoBitrate: 1_200_000 },
  '360p15': { width: 640, height: 360, fps: 15, videoBitrate: 500_000 },
};

const audioBitrate = 64_000;

export function limitsOf(name: PresetName): SendLimits {
  const { videoBitrate, fps } = presets[name];
  return { videoBitrate, audioBitrate, fps };
}

/** What a camera is asked for; ideals, so that one that cannot still works. */
export function constraintsOf(name: PresetName): MediaTrackConstraints {
  const { width, height, fps } = presets[name];
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps, max: fps } };
}

/** What a screen is asked for: its own size, no larger than the preset. */
export function screenConstraintsOf(name: PresetName): MediaTrackConstraints {
  const { width, height, fps } = presets[name];
  return { width: { max: width }, height: { max: height }, frameRate: { max: fps } };
}

/** The codecs that this browser can encode, 'auto' first. */
export function encodable(): CodecChoice[] {
  const all = typeof RTCRtpSender === 'undefined' ? [] : (RTCRtpSender.getCapabilities('video')?.codecs ?? []);
  const can = (c: CodecChoice) => all.some((x) => x.mimeType.toLowerCase() === `video/${c.toLowerCase()}`);
  return ['auto', ...(['VP8', 'H264', 'VP9', 'AV1'] as const).filter(can)];
}

/** VP8 plays in every browser, so it is what 'auto' means. */
export function codecName(choice: CodecChoice): string {
  return choice === 'auto' ? 'VP8' : choice;
}
