import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { address, type Door, encode, lacks, type Media, type Tool } from '../lib/encoder';
import { heard } from '../lib/probe';
import type { Server } from '../lib/server';
import { expect, plays, said, test as base } from '../lib/test';

const why = lacks('ffmpeg');
const passphrase = 'a passphrase of enough letters';

interface Fixtures {
  /** Starts an ffmpeg that publishes the stream harbour, and ends it with the test. */
  encoder: (m: Media, door: Door, secret?: string, phrase?: string) => Tool;
  /** The stream key of harbour. */
  key: string;
}

const test = base.extend<Fixtures>({
  encoder: async ({ server }, use, info) => {
    const all: Tool[] = [];
    await use((m, door, secret = '', phrase = '') => {
      const made = encode(m, door, address(server.at, door, 'publish', 'harbour', secret, phrase));
      all.push(made);
      return made;
    });
    for (const e of all) {
      await e.stop();
      if (info.status !== info.expectedStatus) await info.attach('ffmpeg.log', { body: e.said });
    }
  },
  key: async ({ server }, use) => use(await server.command('key', 'harbour')),
});
if (why !== '') console.log(`skipped: ${why}`);
test.skip(why !== '', why);

const obs: Media = { video: 'h264', audio: 'aac' };

test.describe('with keys', () => {
  test.use({ settings: { env: { ...process.env, HELIOGRAPH_SRT_PASSPHRASE: passphrase } } });

  test('as OBS by RTMP: the picture moves and the sound is heard', async ({ person, encoder, key }) => {
    encoder(obs, 'rtmp', key);
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await plays(viewer);
    expect(await heard(viewer)).toMatchObject({ codec: 'video/H264', width: 320 });
  });

  test('by RTSP over UDP', async ({ person, encoder, key }) => {
    encoder({ video: 'h264', audio: 'opus' }, 'rtsp-udp', key);
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await plays(viewer);
  });

  test('by SRT with a passphrase', async ({ person, encoder, key }) => {
    encoder(obs, 'srt', key, passphrase);
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await plays(viewer);
  });

  for (const door of ['rtmp', 'rtsp', 'srt'] as const) {
    test(`a wrong key is refused by ${door} and logged once`, async ({ encoder, server }) => {
      const tool = encoder(obs, door, 'not-the-key', passphrase);
      expect(await tool.ended, tool.said).not.toBe(0);
      await expect.poll(() => refusals(server)).toHaveLength(1);
      expect(refusals(server)[0]).toMatch(/reason=.*(key|password|token)/i);
    });
  }
});

/** The lines of the log that refuse harbour. */
function refusals(server: Server): string[] {
  return server.log.split('\n').filter((l) => l.includes('level=WARN') && l.includes('refused') && l.includes('stream=harbour'));
}

test('B-frames are coded again and play', async ({ person, encoder }) => {
  encoder({ ...obs, trait: 'b-frames' }, 'rtmp');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
});

test.describe('pictures are not coded again', () => {
  test.use({ settings: { open: true, flags: ['--transcode', 'off'] } });

  test('B-frames: the page says why there is no picture, and the cure', async ({ person, encoder }) => {
    encoder({ ...obs, trait: 'b-frames' }, 'rtmp');
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await expect(said(viewer, /B-frames/)).toBeVisible();
    await expect(said(viewer, /zerolatency/)).toBeVisible();
  });
});

test.describe('a machine without ffmpeg', () => {
  const empty = mkdtempSync(join(tmpdir(), 'heliograph-path-'));
  test.afterAll(() => rmSync(empty, { recursive: true }));
  test.use({ settings: { open: true, env: { ...process.env, PATH: empty } } });

  test('the picture plays, and the page says what is missing', async ({ person, encoder }) => {
    encoder(obs, 'rtmp');
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await plays(viewer, { sound: false });
    await expect(said(viewer, /ffmpeg/)).toBeVisible();
  });
});

test('an encoder that loses its connection and comes back', async ({ person, encoder }) => {
  const lost = encoder(obs, 'rtmp');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  const connections = () => viewer.evaluate(() => (window as unknown as { peers: unknown[] }).peers.length);
  const before = await connections(); // more than one if the viewer was there before the encoder
  await lost.stop('SIGKILL');
  await expect(said(viewer, 'Back in a moment')).toBeVisible();
  encoder(obs, 'rtmp');
  await plays(viewer);
  expect(await connections(), 'the viewer never connected again').toBe(before);
});
