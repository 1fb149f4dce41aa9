/** How a person knows codecs. */

const names: Record<string, string> = {
  H264: 'H.264', H265: 'H.265', OPUS: 'Opus', JPEG: 'MJPEG', PCMU: 'G.711', PCMA: 'G.711', G722: 'G.722', 'MPEG4-GENERIC': 'AAC',
};

/** "H.264" for "H264"; what is not known by another name stays as it is. */
export function codecLabel(codec: string): string {
  return names[codec.toUpperCase()] ?? codec;
}
