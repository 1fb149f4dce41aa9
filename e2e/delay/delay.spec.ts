import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Page } from '@playwright/test';
import { address, type Door, type Tool } from '../lib/encoder';
import { Server } from '../lib/server';
import { expect, plays, test as base } from '../lib/test';
import { clock } from './clock';
import { offsets, print, printBuffers, stamped } from './figures';
import { firstPicture, measure, stopwatch } from './page';

const test = base.extend<{ camera: (...a: Parameters<typeof clock>) => Tool }>({
  camera: async ({}, use) => {
    const all: Tool[] = [];
    await use((...a) => {
      const made = clock(...a);
      all.push(made);
      return made;
    });
    for (const c of all) {
      await c.stop();
      if (c.said) console.log(c.said.trim());
    }
  },
});

/** Watches harbour until it plays, and some seconds longer, for the buffers to settle. */
async function settled(page: Page, sound: boolean, seconds = 3): Promise<void> {
  await page.goto('/watch/harbour');
  await plays(page, { sound });
  await page.waitForTimeout(seconds * 1000);
}

const names: Partial<Record<Door, string>> = { rtmp: 'RTMP', rtsp: 'RTSP/TCP', 'rtsp-udp': 'RTSP/UDP' };
const target = (server: Server, door: Door) => [door, address(server.at, door, 'publish', 'harbour')] as const;

for (const door of ['rtmp', 'rtsp', 'rtsp-udp'] as const) {
  test(`${door}, video only`, async ({ server, camera, person }) => {
    camera(...target(server, door));
    const page = await person();
    await settled(page, false);
    const m = await measure(page, 10);
    print(`${names[door]}, video only: delay of the picture`, m.video, 'median < 30');
    printBuffers(m.buffers);
  });
}

for (const [door, audio] of [['rtmp', 'aac'], ['rtsp', 'opus']] as const) {
  test(`${door}, sound, wall clock stamps`, async ({ server, camera, person }) => {
    camera(...target(server, door), { audio, stamps: 'wall' });
    const page = await person();
    await settled(page, true);
    const m = await measure(page, 12);
    print(`${names[door]}, ${audio}, wall clock stamps: delay of the picture`, m.video, 'median < 150');
    print(`${names[door]}, ${audio}, wall clock stamps: delay of the sound`, m.audio);
    printBuffers(m.buffers);
  });

  test(`${door}, lips`, async ({ server, camera, person }) => {
    camera(...target(server, door), { audio });
    const page = await person();
    await settled(page, true, 12); // an RTSP publisher says after 5 s how its clocks belong together
    const m = await measure(page, 20);
    print(`${names[door]}, ${audio}: delay of the picture`, m.video);
    print(`${names[door]}, ${audio}${audio === 'aac' ? ' to Opus' : ''}: sound later than the picture`, offsets(m));
    print('    of which the server’s time stamps', stamped(m), 'median within 20');
    printBuffers(m.buffers);
  });
}

test('first picture of a running stream', async ({ server, camera, person }) => {
  camera(...target(server, 'rtmp'), { audio: 'aac' });
  const first: number[] = [];
  for (let i = 0; i < 10; i++) {
    const page = await person();
    await page.addInitScript(stopwatch);
    first.push(await firstPicture(page, server.url, 'harbour'));
    await page.close();
  }
  print('a running RTMP stream: click to first picture', first, '< 300');
});

test('first picture of an on-demand camera', async ({ server: far, camera, person }) => {
  const folder = mkdtempSync(join(tmpdir(), 'heliograph-delay-'));
  const config = join(folder, 'settings.yaml');
  writeFileSync(config, `sources:\n- {stream: yard, url: "rtsp://${far.at.rtsp}/harbour", when: watched, private: true}\n`);
  camera(...target(far, 'rtsp'), { audio: 'aac' });
  const near = await Server.start({ open: true, flags: ['--config', config] });
  const first: number[] = [];
  try {
    for (let i = 0; i < 5; i++) {
      const page = await person();
      await page.addInitScript(stopwatch);
      first.push(await firstPicture(page, near.url, 'yard'));
      await page.close();
      // The camera is let go 10 s after its last viewer.
      const state = async () => ((await (await fetch(`${near.url}/api/v1/streams/yard`)).json()) as { state?: string }).state ?? 'offline';
      await expect.poll(state, { timeout: 30_000 }).not.toMatch(/live|away/);
    }
  } finally {
    await near.stop();
    rmSync(folder, { recursive: true });
  }
  print('an on-demand RTSP camera: click to first picture', first, '< 1500');
});
