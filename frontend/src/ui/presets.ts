/** How the choices of the studio are named on the page. */
import type { CodecChoice, PresetName } from '../media/types';

export const presets: { value: PresetName; label: string; hint: string }[] = [
  { value: '1080p30', label: '1080p', hint: '1920 × 1080 at 30 fps. For a fast uplink; steps down by itself.' },
  { value: '720p30', label: '720p', hint: '1280 × 720 at 30 fps. Right for most networks; steps down by itself.' },
  { value: '480p30', label: '480p', hint: '854 × 480 at 30 fps. For a slow or busy network.' },
  { value: '360p15', label: '360p', hint: '640 × 360 at 15 fps. For a phone on the edge of its network.' },
];

export const codecNames: Record<CodecChoice, string> = {
  auto: 'Automatic: VP8, plays everywhere',
  VP8: 'VP8',
  H264: 'H.264, light on phones and laptops',
  VP9: 'VP9, sharper at the same bitrate',
  AV1: 'AV1, sharpest, needs a fast machine',
};
