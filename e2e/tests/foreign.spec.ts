import type { Page } from '@playwright/test';
import { visitor } from '../lib/chromium';
import { absent, Foreign, type Program } from '../lib/foreign';
import { Lab, missing } from '../lib/lab';
import { heard } from '../lib/probe';
import { binary, type Options, Server } from '../lib/server';
import { dismiss, expect, goLive, onAir, plays, said, test as base } from '../lib/test';

// GStreamer's ICE library ties its sockets to interfaces other than loopback, so the server is on a host of its own.
const why = missing();
const absence: Record<Program, string> = { gst: absent('gst'), aio: absent('aio') };
const name: Record<Program, string> = { gst: 'GStreamer', aio: 'aiortc' };

interface Fixtures {
  /** A server on the other host. */
  there: (o: Options) => Promise<Server>;
  /** Starts a client, and ends it with the test. */
  client: (program: Program, role: 'publish' | 'watch', url: string, ...options: string[]) => Foreign;
}

const test = base.extend<Fixtures>({
  there: async ({}, use, info) => {
    const lab = new Lab();
    const servers: Server[] = [];
    await use(async (o) => {
      const server = await Server.start({ ...o, listen: `${lab.far}:0`, program: lab.wrap(binary) });
      servers.push(server);
      return server;
    });
    for (const s of servers) await dismiss(s, info);
    lab.close();
  },
  client: async ({}, use, info) => {
    const clients: Foreign[] = [];
    await use((program, role, url, ...options) => {
      const made = new Foreign(program, role, url, ...options);
      clients.push(made);
      return made;
    });
    for (const c of clients) {
      await c.end();
      const said = c.lines.map((l) => JSON.stringify(l)).join('\n') + c.said;
      if (info.status !== info.expectedStatus) await info.attach('client.log', { body: said });
    }
  },
});
if (why !== '') console.log(`skipped: ${why}`);
test.skip(why !== '', why);

/** Skips the test where a client is missing, and says why. */
function need(program: Program): void {
  if (absence[program] !== '') console.log(`skipped: ${absence[program]}`);
  test.skip(absence[program] !== '', absence[program]);
}

/** A Chromium whose pages take the other host for a safe origin. */
async function chrome<T>(url: string, devices: boolean, use: (page: Page) => Promise<T>): Promise<T> {
  const { browser, page } = await visitor(url, devices);
  try {
    return await use(page);
  } finally {
    await browser.close();
  }
}

/** The session was made as RFC 9725 section 4.2 has it. */
async function created(client: Foreign): Promise<void> {
  await expect.poll(() => client.find('post'), { message: 'the POST is answered' }).toBeDefined();
  expect(client.find('post')).toMatchObject({ status: 201, type: 'application/sdp', location: expect.any(String) });
}

async function decodes(client: Foreign): Promise<void> {
  await expect.poll(() => client.decoded('video'), { message: 'frames are decoded' }).toBeGreaterThanOrEqual(40);
  await expect.poll(() => client.decoded('audio'), { message: 'sound is decoded' }).toBeGreaterThanOrEqual(40);
}

for (const [program, codec] of [['gst', 'H264'], ['gst', 'VP8'], ['aio', 'VP8']] as const) {
  test(`${codec} from ${name[program]} to Chromium`, async ({ there, client }) => {
    need(program);
    const server = await there({ open: true });
    const publisher = client(program, 'publish', `${server.url}/whip/harbour`, '--codec', codec);
    await created(publisher);
    await chrome(server.url, false, async (page) => {
      await page.goto('/watch/harbour');
      await plays(page);
      expect((await heard(page)).codec).toBe(`video/${codec}`);
      expect(await publisher.end(), 'the DELETE is answered').toBe(200);
      await expect(said(page, 'This stream has ended')).toBeVisible();
    });
  });
}

for (const codec of ['H264', 'VP8']) {
  test(`${codec} from Chromium to GStreamer and aiortc`, async ({ there, client }) => {
    need('gst');
    need('aio');
    const server = await there({ open: true });
    await chrome(server.url, true, async (page) => {
      await goLive(page, 'harbour', { codec });
      await onAir(page);
      const viewers = (['gst', 'aio'] as const).map((p) => client(p, 'watch', `${server.url}/whep/harbour`, '--codec', codec));
      for (const v of viewers) {
        await created(v);
        await decodes(v);
        expect(await v.end(), 'the DELETE is answered').toBe(200);
      }
    });
  });
}

// OBS Studio 30: audio before video, no candidates in the offer, its stream key as the bearer. aiortc stands in for its
// libdatachannel, as it says goodbye in DTLS when it closes, which GStreamer does not.
const obs = ['--agent', 'Mozilla/5.0 (OBS-Studio/30.2.3; Linux x86_64; en-US)', '--no-candidates'];

test('as OBS asks, with a stream key', async ({ there, client }) => {
  need('aio');
  const server = await there({});
  const endpoint = `${server.url}/whip/harbour`;
  const key = await server.command('key', 'harbour');
  const wrong = client('aio', 'publish', endpoint, ...obs, '--token', 'not-the-key');
  await expect.poll(() => wrong.find('post')?.status, { message: 'a wrong key is refused' }).toBe(401);
  const publisher = client('aio', 'publish', endpoint, ...obs, '--token', key);
  await created(publisher);
  await chrome(server.url, false, async (page) => {
    await page.goto('/watch/harbour');
    await plays(page);
    expect(await publisher.end(), 'OBS takes nothing but 200 for an end').toBe(200);
    await expect(said(page, 'This stream has ended')).toBeVisible();
  });
});

test('as OBS ends: the connection closed before the DELETE', async ({ there, client }) => {
  need('aio');
  const server = await there({ open: true });
  const publisher = client('aio', 'publish', `${server.url}/whip/harbour`, ...obs, '--close-first');
  await expect.poll(() => publisher.lines.some((l) => l.state === 'connected')).toBe(true);
  expect(await publisher.end(), 'OBS takes nothing but 200 for an end').toBe(200);
});
