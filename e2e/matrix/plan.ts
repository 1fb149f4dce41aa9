import type { Door, Media } from '../lib/encoder';

/** How a stream comes in. */
export type From = Door | 'whip';
/** How it goes out: 'webrtc' is the watch page in Chromium. */
export type To = 'webrtc' | 'rtsp' | 'rtmp' | 'srt';

export const froms: Record<From, string> = { rtmp: 'RTMP', rtmps: 'RTMPS', rtsp: 'RTSP/TCP', 'rtsp-udp': 'RTSP/UDP', srt: 'SRT', whip: 'WHIP' };
export const tos: Record<To, string> = { webrtc: 'WebRTC', rtsp: 'RTSP', rtmp: 'RTMP', srt: 'SRT' };

/** One row of the matrix: what an encoder sends by a door. */
export interface Row {
  from: From;
  name: string;
  media: Media;
  /** Why there is no such source; '' when there is. */
  none: string;
}

const sources: [string, Media][] = [
  ['H264+AAC', { video: 'h264', audio: 'aac' }],
  ['H264+Opus', { video: 'h264', audio: 'opus' }],
  ['H265+AAC', { video: 'h265', audio: 'aac' }],
  ['AV1+Opus', { video: 'av1', audio: 'opus' }],
  ['B-frames', { video: 'h264', audio: 'aac', trait: 'b-frames' }],
  ['audio only', { audio: 'aac' }],
  ['video only', { video: 'h264' }],
];

function none(from: From, media: Media): string {
  if (from === 'srt' && media.video === 'av1') return 'MPEG-TS, which SRT carries, has no AV1';
  if (from === 'whip' && media.audio === 'aac' && !media.trait) return 'WebRTC has no AAC';
  return '';
}

/** What a WHIP publisher sends instead: WebRTC's sound is Opus. */
function spoken(from: From, name: string, media: Media): Media {
  if (from !== 'whip' || media.audio !== 'aac' || /\+/.test(name)) return media;
  return { ...media, audio: 'opus' };
}

export const rows: Row[] = (Object.keys(froms) as From[]).flatMap((from) =>
  sources.map(([name, m]) => {
    const media = spoken(from, name, m);
    return { from, name, media, none: none(from, media) };
  }),
);

/** Whether Debian's ffmpeg 5.1 cannot send or take this: enhanced RTMP, and AV1 in RTSP. As a player of Opus by RTMP it is to get AAC. */
export function beyond(door: Door, media: Media, action: 'publish' | 'watch'): boolean {
  const enhanced = door.startsWith('rtmp') && (media.video === 'h265' || (media.audio === 'opus' && action === 'publish'));
  return enhanced || media.video === 'av1';
}

/** What became of one way through the server. */
export interface Cell {
  from: From;
  source: string;
  to: To;
  verdict: 'plays' | 'says why' | 'n/a' | 'FAILS';
  /** The server's words, or why there is no such way. */
  why: string;
  /** Codecs that arrived. */
  got: string;
}
