import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Browser, expect, test as base } from '@playwright/test';
import { visitor } from '../lib/chromium';
import { clip } from '../lib/clips';
import { decode, lively, type Seen } from '../lib/decoder';
import { address, type Door, sendFile } from '../lib/encoder';
import { absent, Foreign } from '../lib/foreign';
import { Lab, missing } from '../lib/lab';
import { spy } from '../lib/probe';
import { binary, Server } from '../lib/server';
import { publishByWhip } from '../lib/whip';
import { decodeNewer, lacksNewer, sendFileNewer } from './newer';
import { beyond, type Cell, type Row, rows, type To, tos } from './plan';
import { logged, shown } from './whys';
import { watch } from './watch';

/** A publisher that is on its way, whatever program it is. */
interface Publisher {
  stop: () => Promise<unknown>;
  /** What it said when it failed. */
  why: () => string;
}

/** A certificate for 127.0.0.1, for RTMPS; '' where openssl is missing. */
function certificate(folder: string): string[] {
  const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  const args = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=IP:127.0.0.1`;
  const made = spawnSync('openssl', [...args.split(' '), '-keyout', key, '-out', cert]);
  return made.status === 0 ? ['--rtmps', '127.0.0.1:0', '--tls-cert', cert, '--tls-key', key] : [];
}

const test = base.extend<object, { server: Server }>({
  server: [
    async ({}, use) => {
      const folder = mkdtempSync(join(tmpdir(), 'heliograph-tls-'));
      const server = await Server.start({ open: true, flags: ['--log', 'json', ...certificate(folder)] });
      await use(server);
      await server.stop();
      rmSync(folder, { recursive: true });
    },
    { scope: 'worker' },
  ],
});

/** Starts what publishes a row, or says why nothing can. */
async function publish(row: Row, server: Server, stream: string, browser: Browser): Promise<Publisher | string> {
  if (row.from === 'whip') return publishWhip(row, server, stream, browser);
  if (row.from === 'rtmps' && !server.at.rtmps) return 'openssl, which makes the certificate, is missing';
  const url = address(server.at, row.from, 'publish', stream);
  const newer = beyond(row.from, row.media, 'publish');
  if (newer && lacksNewer) return lacksNewer;
  const tool = (newer ? sendFileNewer : sendFile)(clip(row.media), row.from, url);
  return { stop: () => tool.stop(), why: () => (tool.running ? '' : tool.why) };
}

/** WHIP is Chromium's, but for B-frames, which no browser makes and GStreamer does. */
async function publishWhip(row: Row, server: Server, stream: string, browser: Browser): Promise<Publisher | string> {
  const url = `${server.url}/whip/${stream}`;
  if (row.media.trait) {
    const client = new Foreign('gst', 'publish', url, '--b-frames', '2');
    return { stop: () => client.end(), why: () => client.said };
  }
  const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
  const page = await context.newPage();
  await page.goto(server.url);
  await publishByWhip(page, url, row.media);
  return { stop: () => context.close(), why: () => '' };
}

/** Whether a row needs a host of its own: GStreamer's ICE library knows no loopback. */
const apart = (row: Row) => row.from === 'whip' && row.media.trait !== undefined;

/** Runs `use` with a server on a host of its own and a Chromium that trusts it. */
async function withLab<T>(use: (server: Server, browser: Browser) => Promise<T>): Promise<T> {
  const lab = new Lab();
  try {
    const server = await Server.start({ open: true, flags: ['--log', 'json'], listen: `${lab.far}:0`, program: lab.wrap(binary) });
    const { browser } = await visitor(server.url, false);
    try {
      return await use(server, browser);
    } finally {
      await browser.close();
      await server.stop();
    }
  } finally {
    lab.close();
  }
}

/** By which door the way out is tried: the one of the way in where there is a choice. */
function doorOf(to: Exclude<To, 'webrtc'>, row: Row): Door {
  if (to === 'rtmp' && row.from === 'rtmps') return 'rtmps';
  return to === 'rtsp' && row.from === 'rtsp-udp' ? 'rtsp-udp' : to;
}

type Result = Pick<Cell, 'verdict' | 'why' | 'got'>;

/** Puts what arrived, and what was said about the rest, into a verdict. */
function judge(row: Row, played: { video: boolean; audio: boolean }, got: string, says: string): Result {
  const wanted = (['video', 'audio'] as const).filter((k) => row.media[k]);
  const lacking = wanted.filter((k) => !played[k]);
  if (lacking.length === 0) return { verdict: 'plays', why: '', got };
  if (says === '') return { verdict: 'FAILS', why: `no ${lacking.join(' and no ')}`, got };
  const part = lacking.length < wanted.length ? `${wanted.find((k) => played[k])} plays, but no ${lacking[0]}: ` : '';
  return { verdict: 'says why', why: part + says, got };
}

/** What the API says of the tracks that did not play. */
async function diagnosed(played: { video: boolean; audio: boolean }, server: Server, stream: string): Promise<string> {
  const info = await shown(server, stream);
  const about = (info?.diagnoses ?? []).filter((d) => d.kind === 'video' ? !played.video : !played.audio);
  return about.map((d) => `${d.text} ${d.fix}`).join(' ');
}

async function toBrowser(row: Row, server: Server, stream: string, browser: Browser): Promise<Result> {
  const context = await browser.newContext();
  await context.addInitScript(spy);
  try {
    const wants = { video: row.media.video !== undefined, audio: row.media.audio !== undefined };
    const watched = await watch(await context.newPage(), `${server.url}/watch/${stream}`, wants);
    const result = judge(row, watched, watched.codec, watched.says || (await diagnosed(watched, server, stream)));
    if (result.verdict === 'FAILS') result.why += ` (the page is ${watched.phase})`;
    return result;
  } finally {
    await context.close();
  }
}

async function toPlayer(row: Row, to: Exclude<To, 'webrtc'>, server: Server, stream: string): Promise<Result> {
  const door = doorOf(to, row);
  const newer = beyond(door, row.media, 'watch');
  if (newer && lacksNewer) return { verdict: 'n/a', why: lacksNewer, got: '' };
  const url = address(server.at, door, 'watch', stream);
  const before = logged(server, stream);
  const seen: Seen = newer ? await decodeNewer(door, url, row.media) : await decode(door, url);
  const played = { video: lively(seen, 'video'), audio: lively(seen, 'audio') };
  const told = logged(server, stream).filter((line) => !before.includes(line) && line.startsWith(to)).join('; ');
  const result = judge(row, played, [seen.video?.codec, seen.audio?.codec].filter(Boolean).join('+'), told);
  if (result.verdict === 'FAILS') result.why += ` (${seen.error} ${JSON.stringify({ ...seen, error: undefined })})`;
  if (result.verdict === 'plays' && seen.jump > 0.5) result.why = `the time stamps jump by ${seen.jump.toFixed(1)} s`;
  return result;
}

/** Waits until the server has the stream; returns why it will not. */
async function live(publisher: Publisher, row: Row, server: Server, stream: string): Promise<string> {
  const kinds = (['video', 'audio'] as const).filter((k) => row.media[k]);
  const end = Date.now() + 20_000;
  while (Date.now() < end) {
    const info = await shown(server, stream);
    if (info?.state === 'live' && kinds.every((k) => info.tracks.some((t) => t.kind === k))) return '';
    if (publisher.why()) break;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const info = await shown(server, stream);
  return info?.state === 'live' ? '' : `never live: ${publisher.why()}`;
}

/** Publishes a row once and tries all ways out at the same time. */
async function run(row: Row, server: Server, browser: Browser): Promise<Record<To, Result>> {
  const stream = `${row.from}-${row.name}`.toLowerCase().replace(/[^a-z0-9]+/g, '-');
  const all = (r: Result) => Object.fromEntries(Object.keys(tos).map((to) => [to, r])) as Record<To, Result>;
  const publisher = await publish(row, server, stream, browser);
  if (typeof publisher === 'string') return all({ verdict: 'n/a', why: publisher, got: '' });
  try {
    const dead = await live(publisher, row, server, stream);
    const told = logged(server, stream).join('; ');
    if (dead) return all({ verdict: told ? 'says why' : 'FAILS', why: told || dead, got: '' });
    const [webrtc, rtsp, rtmp, srt] = await Promise.all([
      toBrowser(row, server, stream, browser),
      toPlayer(row, 'rtsp', server, stream),
      toPlayer(row, 'rtmp', server, stream),
      toPlayer(row, 'srt', server, stream),
    ]);
    return { webrtc, rtsp, rtmp, srt };
  } finally {
    await publisher.stop();
  }
}

for (const row of rows) {
  test(`${row.from} ${row.name}`, async ({ server, browser }, info) => {
    const unable = row.none || (apart(row) && (missing() || absent('gst')));
    const none: Result = { verdict: 'n/a', why: unable || '', got: '' };
    const results = unable ? { webrtc: none, rtsp: none, rtmp: none, srt: none } : apart(row) ? await withLab((s, b) => run(row, s, b)) : await run(row, server, browser);
    const cells = (Object.keys(tos) as To[]).map((to): Cell => ({ from: row.from, source: row.name, to, ...results[to] }));
    await info.attach('cells', { body: JSON.stringify(cells), contentType: 'application/json' });
    expect(cells.filter((c) => c.verdict === 'FAILS').map((c) => `${c.to}: ${c.why}`)).toEqual([]);
  });
}
