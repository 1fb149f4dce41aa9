/** What the test of the ways says: a sentence that sums it up, what is blocked, and whom to ask. Pure. */

import { mediaWays, reachWays, type MediaWay, type Outcome, type ReachWay, type Trial } from '../client/reach';
import { overWay, wayName } from '../media/ways';

/** Whom a person turns to; 'you' is that person. */
export type Who = 'you' | 'network' | 'operator' | 'broadcaster';

export interface Advice {
  who: Who;
  text: string;
}

export interface Finding {
  /** A mirror phase: all is well, something is in the way, nothing works. */
  mark: 'ok' | 'half' | 'off';
  summary: string;
  advice: Advice[];
}

/** Where the page came from: a host and a port. */
export interface Place {
  host: string;
  port: string;
}

export const whoNames: Record<Who, string> = {
  you: 'You',
  network: 'Whoever runs this network, or its firewall',
  operator: 'Whoever runs the server',
  broadcaster: 'The broadcaster',
};

export const outcomeNames: Record<Outcome, string> = { open: 'Open', blocked: 'Blocked', absent: 'Not offered', untested: 'Not tested' };

/** What each way is for, under its name. */
export const wayNotes: Record<ReachWay, string> = {
  websocket: 'The messages around the picture',
  udp: 'Straight to the server, with the least delay',
  tcp: 'Straight as well, where UDP is blocked',
  'relay-tcp': 'By the server’s relay, where little gets through',
  'relay-tls': 'The same, looking like a secure web page',
};

export function nameOf(way: ReachWay): string {
  return way === 'websocket' ? 'WebSocket' : wayName(way);
}

/** The verdict on trials that are all in; `sends` for somebody who is about to broadcast. */
export function findingOf(trials: Trial[], at: Place, sends = false): Finding {
  const f = new Facts(trials, at);
  const play = sends ? 'You send' : 'Streams play';
  const nothing = sends ? 'You cannot go on air from here' : 'Nothing plays here';
  const begun = f.untested();
  if (begun) return begun;
  const best = mediaWays.find((w) => f.outcome(w) === 'open');
  if (!best) return { mark: 'off', summary: `${nothing}: no way to the server’s media is open.`, advice: f.adviceForNone() };
  if (f.outcome('websocket') === 'blocked') return { mark: 'off', summary: `${nothing}: WebSockets are blocked.`, advice: f.adviceForSocket() };
  if (best !== 'udp') return { mark: 'half', summary: `UDP is blocked here. ${play} ${overWay(best)}, a little later.`, advice: f.adviceForUDP() };
  const spare = f.blocked();
  if (spare.length === 0) {
    const advice: Advice[] = sends ? [] : [{ who: 'broadcaster', text: 'If one stream does not play and others do, tell them what the player says.' }];
    const offered = mediaWays.some((w) => f.outcome(w) === 'absent') ? ' that the server offers' : '';
    return { mark: 'ok', summary: `Everything${offered} gets through. ${play} over UDP.`, advice };
  }
  const names = spare.map(wayName).join(' and ');
  return { mark: 'ok', summary: `${play} over UDP. Blocked, but not needed now: ${names}.`, advice: f.adviceForSpare(spare) };
}

class Facts {
  readonly #trials: Map<ReachWay, Trial>;
  readonly #at: Place;

  constructor(trials: Trial[], at: Place) {
    this.#trials = new Map(trials.map((t) => [t.way, t]));
    this.#at = at;
  }

  outcome(way: ReachWay): Outcome {
    return this.#trials.get(way)?.outcome ?? 'untested';
  }

  blocked(): MediaWay[] {
    return mediaWays.filter((w) => this.outcome(w) === 'blocked');
  }

  /** The finding when no test of media could be begun. */
  untested(): Finding | null {
    if (mediaWays.some((w) => this.outcome(w) !== 'untested')) return null;
    const error = this.#trials.get('udp')?.error;
    switch (error?.code) {
      case 'no_webrtc':
        return { mark: 'off', summary: 'This browser has no WebRTC.', advice: [{ who: 'you', text: 'It is turned off in the settings or by an extension, or missing. Allow it for this site, or open the page in another browser.' }] };
      case 'connection_lost':
      case 'timeout':
        return { mark: 'off', summary: 'The server does not answer.', advice: [{ who: 'you', text: 'See whether other sites open. If they do, the server may be restarting: test again in a minute.' }, { who: 'operator', text: 'If it stays so, tell them that the server does not answer.' }] };
      case 'throttled':
        return { mark: 'half', summary: 'Too many tests in a short time.', advice: [{ who: 'you', text: 'Wait ten seconds, then test again.' }] };
      default:
        return { mark: 'half', summary: 'The server could not begin the test.', advice: [{ who: 'you', text: 'Reload the page and test again: the server may have been updated.' }, { who: 'operator', text: `Tell them what it said: ${error?.message || 'nothing'}.` }] };
    }
  }

  adviceForNone(): Advice[] {
    const targets = this.#targets();
    const [address = '', port = ''] = targets[0]?.split(' ') ?? [];
    const setting: Advice = { who: 'you', text: 'A VPN, an extension for privacy or a setting of the browser may block WebRTC. Turn it off for this site and test again.' };
    if (targets.length === 0) return [{ who: 'operator', text: 'The server names no address for media. Its settings need a look.' }];
    if (targets.every((t) => isPrivate(t.split(' ')[0] ?? '')) && !isPrivate(this.#at.host)) {
      return [{ who: 'operator', text: `The server names a private address, ${address}, which only its own network reaches. Start it with --public-host ${this.#at.host}.` }];
    }
    if (targets.every((t) => t.endsWith(' 443') && isPrivate(t.split(' ')[0] ?? ''))) {
      return [{ who: 'operator', text: 'Browsers do not send media to port 443 of a private address. Run the server on another port, such as 8443.' }, setting];
    }
    const open: Advice = { who: 'operator', text: `Open port ${port} for UDP and TCP in the server’s firewall, and forward both in the router or container.` };
    if (port !== this.#at.port) return [{ ...open, text: `The page comes through port ${this.#at.port}, media through port ${port}. ${open.text}` }, setting];
    const network: Advice = { who: 'network', text: `Web pages get through and media do not. Allow UDP and TCP to port ${port} of ${this.#at.host}, and connections there that are no web pages.` };
    return [network, setting, { ...open, text: `If it is the same on another network, such as a phone’s mobile data: ${lower(open.text)}` }];
  }

  adviceForSocket(): Advice[] {
    return [
      { who: 'network', text: `A proxy or filter lets pages through, but no WebSockets. Allow them to ${this.#at.host}.` },
      { who: 'operator', text: 'If it is the same on another network, the proxy before the server does not pass WebSockets on: it has to forward the Upgrade header for /ws.' },
    ];
  }

  adviceForUDP(): Advice[] {
    if (this.outcome('udp') === 'absent') return [{ who: 'operator', text: 'The server names no address for UDP. Its settings need a look.' }];
    const port = this.#trials.get('udp')?.targets[0]?.split(' ')[1] ?? this.#at.port;
    return [
      { who: 'network', text: `For less delay, allow outgoing UDP to port ${port} of ${this.#at.host}. A VPN may block it too.` },
      { who: 'operator', text: `If it is the same on another network, such as a phone’s mobile data, UDP does not reach the server: open UDP port ${port} in its firewall, and forward it in the router or container.` },
    ];
  }

  adviceForSpare(spare: MediaWay[]): Advice[] {
    const advice: Advice[] = [{ who: 'you', text: 'Nothing to do. The other ways are for networks that block UDP.' }];
    if (spare.length === 1 && spare[0] === 'relay-tls') {
      return [...advice, { who: 'operator', text: 'Only TLS to the relay fails: the browser may not trust the server’s certificate. One of a public authority mends that.' }];
    }
    return [...advice, { who: 'operator', text: `A proxy may stand before the server’s TCP port: ${spare.map(wayName).join(' and ')} should pass it unchanged.` }];
  }

  #targets(): string[] {
    return [...(this.#trials.get('udp')?.targets ?? []), ...(this.#trials.get('tcp')?.targets ?? [])];
  }
}

function lower(sentence: string): string {
  return sentence.charAt(0).toLowerCase() + sentence.slice(1);
}

/** Whether an address has a meaning in one network only. Names are taken for public, but for those that never are. */
export function isPrivate(host: string): boolean {
  const h = host.replace(/^\[|\]$/g, '').toLowerCase();
  if (h === 'localhost' || /\.(local|lan|internal|home\.arpa)$/.test(h)) return true;
  if (h.includes(':')) return h === '::1' || /^f[cd]/.test(h) || /^fe[89ab]/.test(h);
  const m = /^(\d+)\.(\d+)\.\d+\.\d+$/.exec(h);
  if (!m) return false;
  const [a, b] = [Number(m[1]), Number(m[2])];
  return a === 10 || a === 127 || (a === 172 && b >= 16 && b < 32) || (a === 192 && b === 168) || (a === 169 && b === 254) || (a === 100 && b >= 64 && b < 128);
}

const technical: Record<ReachWay, string> = {
  websocket: 'WebSocket', udp: 'UDP', tcp: 'TCP (ICE-TCP)', 'relay-tcp': 'TCP relay (TURN over TCP)', 'relay-tls': 'TLS relay (TURN over TLS)',
};

export interface Report {
  at: number;
  origin: string;
  userAgent: string;
  trials: Trial[];
  finding: Finding;
}

/** The results to paste into a message. It has the server's addresses in it and none of this device's. */
export function reportText(r: Report): string {
  const ways = reachWays.map((way) => {
    const t = r.trials.find((x) => x.way === way);
    if (!t) return `${technical[way].padEnd(27)}not tested`;
    const where = t.targets.length > 0 ? `  to ${[...new Set(t.targets)].join(', ')}` : '';
    const why = t.error ? `  (${t.error.code})` : '';
    return `${technical[way].padEnd(27)}${outcomeNames[t.outcome].toLowerCase().padEnd(12)}${took(t).padStart(7)}${where}${why}`;
  });
  const ask = r.finding.advice.map((a) => `- ${whoNames[a.who]}: ${a.text}`);
  return [
    'Heliograph connection test',
    `Date: ${new Date(r.at).toISOString().replace('T', ' ').slice(0, 19)} UTC`,
    `Server: ${r.origin}`,
    `Browser: ${browserName(r.userAgent)}`,
    `Result: ${r.finding.summary}`,
    '', ...ways,
    ...(ask.length > 0 ? ['', 'What to do:', ...ask] : []), '',
  ].join('\n');
}

/** "120 ms", "1.4 s"; "–" for what was not tried. */
export function took(t: Trial): string {
  if (t.outcome === 'absent' || t.outcome === 'untested') return '–';
  return t.ms < 1000 ? `${Math.round(t.ms)} ms` : `${(t.ms / 1000).toFixed(1)} s`;
}

/** Name, version and system of a browser, by its User-Agent. */
export function browserName(ua: string): string {
  const versions: [string, RegExp][] = [
    ['Edge', /Edg(?:e|A|iOS)?\/(\d+)/], ['Opera', /OPR\/(\d+)/], ['Samsung Internet', /SamsungBrowser\/(\d+)/], ['Firefox', /(?:Firefox|FxiOS)\/(\d+)/],
    ['Chrome', /(?:Chrome|CriOS)\/(\d+)/], ['Safari', /Version\/(\d+(?:\.\d+)?).*Safari\//],
  ];
  const systems: [string, RegExp][] = [['Android', /Android/], ['iOS', /iPhone|iPad/], ['Windows', /Windows/], ['macOS', /Mac OS X/], ['ChromeOS', /CrOS/], ['Linux', /Linux/]];
  const browser = versions.map(([name, at]) => [name, at.exec(ua)?.[1]] as const).find(([, version]) => version);
  const system = systems.find(([, at]) => at.test(ua))?.[0];
  return `${browser ? browser.join(' ') : 'unknown'}${system ? ` on ${system}` : ''}`;
}
