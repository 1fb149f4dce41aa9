/** The servers that a stream can be sent on to, and what is wrong with an address. */

export type Target = 'twitch' | 'youtube' | 'other';

export const targets: Record<Target, { server: string; hint: string }> = {
  twitch: {
    server: 'rtmps://ingest.global-contribute.live-video.net:443/app',
    hint: 'The key is in Twitch’s Creator Dashboard under Settings, Stream.',
  },
  youtube: {
    server: 'rtmps://a.rtmps.youtube.com:443/live2',
    hint: 'The key is in YouTube Studio under Go live, Stream.',
  },
  other: { server: '', hint: 'rtmp://, rtmps://, rtsp://, srt:// or, for WHIP, https:// with ?token= in it.' },
};

/** What a masked address is called: host, port and path, without what the mask stands for at its end. */
export function targetName(url: string): string {
  const name = /^[a-z]+:\/\/(?:[^@/?]*@)?([^?]+)/i.exec(url)?.[1] ?? url;
  return name.replace(/(?:\/•*)+$/, '');
}

export interface Checked {
  /** The whole address; '' while something is wrong. */
  url: string;
  /** The field that is wrong, and why; '' when none is. */
  field: '' | 'server' | 'key' | 'url';
  why: string;
}

const schemes = /^(rtmps?|rtsps?|srt|https?|whips?):\/\/[^\s/?#]+/i;

/** The address of the fields, checked as far as that is possible here. */
export function targetOf(kind: Target, f: { server: string; key: string; url: string }): Checked {
  if (kind === 'other') {
    const url = f.url.trim();
    if (schemes.test(url)) return { url, field: '', why: '' };
    return { url: '', field: 'url', why: 'The address begins with rtmp://, rtmps://, rtsp://, srt:// or https://, and then the server’s name.' };
  }
  const server = f.server.trim().replace(/\/+$/, '');
  const key = f.key.trim();
  if (!/^rtmps?:\/\/[^\s/?#]+/i.test(server)) return { url: '', field: 'server', why: 'The server’s address begins with rtmp:// or rtmps://.' };
  if (!key || /\s/.test(key)) return { url: '', field: 'key', why: 'Paste the stream key that the other server gave you.' };
  return { url: `${server}/${key}`, field: '', why: '' };
}
