/** The addresses of this server's doors for one stream: as encoders take them, and as they may be shown. */
import type { Encoders } from '../media/encoders';

export type Protocol = 'whip' | 'rtsp' | 'rtsps' | 'srt' | 'rtmp' | 'rtmps';

/** Something to paste: `value` is whole, `shown` has no secret in it. */
export interface Paste {
  value: string;
  shown: string;
  /** A key belongs in it, and there is none yet: it is of no use elsewhere. */
  lacksKey?: boolean;
}

export interface Address extends Paste {
  protocol: Protocol;
  name: string;
  /** Seconds from an encoder to the screen, on a good network. */
  delay: number;
  about: string;
}

const hidden = '••••••';

/** What stands where a key belongs while there is none. */
export const keyPlaceholder = 'STREAM_KEY';

/** What stands where the server's passphrase for SRT belongs: only its owner knows it. */
const passphrase = 'PASSPHRASE';

/** Least delay first. */
const doors: { protocol: Protocol; name: string; delay: number; about: string }[] = [
  { protocol: 'whip', name: 'WHIP', delay: 0.2, about: 'Lowest delay. OBS 30 or newer, GStreamer, browsers.' },
  { protocol: 'rtsp', name: 'RTSP', delay: 0.3, about: 'ffmpeg, scripts, and cameras that publish.' },
  { protocol: 'rtsps', name: 'RTSPS', delay: 0.3, about: 'RTSP, encrypted.' },
  { protocol: 'srt', name: 'SRT', delay: 0.4, about: 'Best on lossy links. Phones, hardware encoders.' },
  { protocol: 'rtmp', name: 'RTMP', delay: 0.5, about: 'OBS, drones, cameras, everything older.' },
  { protocol: 'rtmps', name: 'RTMPS', delay: 0.5, about: 'RTMP, encrypted.' },
];

/** An encoder's way in: what is asked of whom, and where. `key` is '' where none is needed. */
export class Doors {
  readonly #encoders: Encoders;
  readonly stream: string;
  readonly key: string;

  constructor(encoders: Encoders, stream: string, key: string) {
    this.#encoders = encoders;
    this.stream = stream;
    this.key = key;
  }

  /** A key is needed, and not there. */
  get lacksKey(): boolean {
    return this.key === keyPlaceholder;
  }

  has(protocol: Protocol): boolean {
    return this.#encoders[protocol] !== undefined;
  }

  /** The first of these that is on. */
  first(...protocols: Protocol[]): Protocol | null {
    return protocols.find((p) => this.has(p)) ?? null;
  }

  all(): Address[] {
    return doors.filter((d) => this.has(d.protocol)).map((d) => ({ ...d, ...this.address(d.protocol) }));
  }

  /** The whole address for this stream, with the key where it belongs in the address. */
  address(protocol: Protocol): Paste {
    return this.masked((key) => this.url(protocol, key));
  }

  /** Server and key apart, as OBS and many cameras want RTMP. */
  server(protocol: 'rtmp' | 'rtmps'): string {
    return this.#encoders[protocol] ?? '';
  }

  streamKey(): Paste {
    return this.masked((key) => this.stream + (key && `?key=${key}`));
  }

  /** The key alone, as WHIP wants it. */
  token(): Paste {
    return this.masked((key) => key);
  }

  /** A text with the key in it, whole and as it may be shown. */
  masked(text: (key: string) => string): Paste {
    const value = text(this.key);
    if (!this.key) return { value, shown: value };
    return this.lacksKey ? { value, shown: value, lacksKey: value !== text('') } : { value, shown: text(hidden) };
  }

  /** The address with this key in it. */
  url(protocol: Protocol, key: string): string {
    const base = this.#encoders[protocol] ?? '';
    switch (protocol) {
      case 'whip':
        return `${base}/${this.stream}`;
      case 'srt':
        return `${base}?streamid=publish:${this.stream}${key && `:${key}`}${this.#encoders.encrypted ? `&passphrase=${passphrase}` : ''}`;
      case 'rtsp':
      case 'rtsps':
        return `${key ? base.replace('://', `://key:${key}@`) : base}/${this.stream}`;
      default:
        return `${base}/${this.stream}${key && `?key=${key}`}`;
    }
  }
}

/** A key of which only the ends are shown: enough to tell it from another. */
export function maskedKey(key: string): string {
  return key.length < 20 ? hidden : `${key.slice(0, 6)}••••••••${key.slice(-3)}`;
}
