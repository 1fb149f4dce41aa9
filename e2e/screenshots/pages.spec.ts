import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium as playwright, type Browser, type Page, test } from '@playwright/test';
import { chromium } from '../lib/chromium';
import { heard, spy } from '../lib/probe';
import { Server } from '../lib/server';
import { address, encode } from '../lib/encoder';
import { expect, goLive, onAir, said } from '../lib/test';

const out = import.meta.dirname;
const sizes = { 1440: 900, 390: 844 };

/** A moving picture that is nicer to look at than the browser's own test pattern. */
function film(): string[] {
  const file = join(out, '../.cache/film.mjpeg');
  if (!existsSync(file)) {
    mkdirSync(join(out, '../.cache'), { recursive: true });
    const still = join(out, '../.cache/still.png');
    const sky = 'gradients=s=1440x720:r=1:d=1:c0=0x24495c:c1=0x5d8796:c2=0xe8b35a:c3=0xf6d58e:nb_colors=4:x0=640:y0=0:x1=640:y1=720:speed=0.00001';
    // Below a wavy line, the colour of a ridge.
    const ridge = (y: number, h: number, n: number, colour: number[]) => {
      const below = `gt(Y,${y}+${h}*sin(X/${n})+${h / 3}*sin(X/${n / 3}))`;
      return 'geq=' + ['r', 'g', 'b'].map((c, i) => `${c}='if(${below},${colour[i]},${c}(X,Y))'`).join(':');
    };
    const ridges = [ridge(430, 50, 190, [112, 110, 118]), ridge(520, 40, 140, [66, 70, 84]), ridge(620, 30, 110, [28, 36, 44])];
    const ffmpeg = (...args: string[]) => spawnSync('ffmpeg', ['-v', 'error', '-y', ...args]);
    ffmpeg('-f', 'lavfi', '-i', sky, '-vf', `format=gbrp,${ridges.join(',')}`, '-frames:v', '1', still);
    const pan = "crop=1280:720:x='80+78*sin(2*PI*t/4)':y=0";
    const made = ffmpeg('-loop', '1', '-framerate', '30', '-i', still, '-t', '4', '-vf', pan, '-pix_fmt', 'yuvj420p', '-q:v', '4', file);
    if (made.status !== 0) return [];
  }
  return [`--use-file-for-fake-video-capture=${file}`];
}

/** Takes a page's picture at both widths and in both themes. */
async function shoot(page: Page, name: string): Promise<void> {
  for (const [width, height] of Object.entries(sizes)) {
    for (const theme of ['dark', 'light'] as const) {
      await page.setViewportSize({ width: Number(width), height });
      await page.evaluate((t) => (document.documentElement.dataset['theme'] = t), theme);
      await page.mouse.move(Number(width) / 2, 300 + Math.random() * 9);
      await page.waitForTimeout(700); // layout and menus settle
      await page.screenshot({ path: join(out, `${name}-${width}${theme === 'light' ? '-light' : ''}.png`) });
    }
  }
}

async function person(browser: Browser, url: string): Promise<Page> {
  const context = await browser.newContext({ baseURL: url, permissions: ['camera', 'microphone'] });
  await context.addInitScript(spy);
  return context.newPage();
}

/** Answers of the server to tests come without addresses for UDP that exist. */
async function blockUDP(page: Page): Promise<void> {
  await page.route('**/reach', async (route) => {
    const response = await route.fetch();
    const sdp = (await response.text()).replaceAll(/^(a=candidate:\S+ 1 udp \d+) \S+/gm, '$1 203.0.113.9');
    await route.fulfill({ response, body: sdp });
  });
}

async function decodes(page: Page): Promise<void> {
  await expect.poll(async () => (await heard(page)).frames, { timeout: 20_000 }).toBeGreaterThan(60);
}

test('pictures of every page', async () => {
  const server = await Server.start({ open: true });
  const browser = await playwright.launch(chromium(...film()));
  try {
    const viewer = await person(browser, server.url);
    await viewer.goto('/');
    await shoot(viewer, 'home-empty');
    await viewer.goto('/watch/harbour');
    await shoot(viewer, 'watch-waiting');
    await viewer.goto('/signin');
    await shoot(viewer, 'signin');
    await viewer.goto(/\/setup\?token=\S+/.exec(server.log)?.[0] ?? '/setup');
    await shoot(viewer, 'setup');
    await viewer.goto('/nowhere');
    await shoot(viewer, 'not-found');
    await viewer.goto('/check');
    await viewer.getByText('Everything that the server offers gets through').first().waitFor();
    await shoot(viewer, 'check');
    await blockUDP(viewer);
    await viewer.goto('/check?next=/watch/harbour');
    await viewer.getByText('UDP is blocked here').first().waitFor();
    await shoot(viewer, 'check-no-udp');

    const studio = await person(browser, server.url);
    await studio.goto('/studio');
    await studio.locator('[data-phase="ready"]').waitFor();
    await studio.getByLabel('Title').fill('First light over the harbour');
    await shoot(studio, 'studio-ready');
    await goLive(studio, 'harbour', { quality: '720p', title: 'First light over the harbour' });
    await onAir(studio);
    await viewer.goto('/watch/harbour');
    await decodes(viewer);
    await viewer.waitForTimeout(12_000); // the picture grows to its full size, a poster is sent
    await viewer.getByRole('button', { name: 'Turn sound on' }).click();
    await shoot(viewer, 'watch');
    await viewer.keyboard.press('i');
    await viewer.getByRole('button', { name: 'Share' }).click();
    await shoot(viewer, 'watch-stats');
    await shoot(studio, 'studio-live');
    await viewer.goto('/');
    await viewer.getByRole('link', { name: /First light/ }).first().waitFor();
    await shoot(viewer, 'home');
    await viewer.goto('/watch/harbour');
    await decodes(viewer);
    await studio.close({ runBeforeUnload: false });
    await said(viewer, 'Back in a moment').waitFor();
    await shoot(viewer, 'watch-away');
    await said(viewer, 'This stream has ended').waitFor();
    await shoot(viewer, 'watch-ended');
  } finally {
    await browser.close();
    await server.stop();
  }
});

test('pictures of the Sources page', async () => {
  const password = 'a long enough password';
  const server = await Server.start({ password });
  const camera = await Server.start({ open: true });
  const browser = await playwright.launch(chromium());
  const feeds = [encode({ video: 'h264', audio: 'opus' }, 'rtsp', address(camera.at, 'rtsp', 'publish', 'camera'))];
  try {
    const owner = await person(browser, server.url);
    await owner.goto('/sources');
    await shoot(owner, 'sources-visitor');
    await owner.goto('/signin?next=/sources');
    await owner.getByLabel(/name/i).fill('admin');
    await owner.getByLabel('Password', { exact: true }).fill(password);
    await owner.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await owner.getByLabel('Stream name').fill('ridge');
    await owner.getByRole('button', { name: 'Make a key' }).waitFor();
    await shoot(owner, 'sources-empty');
    const key = await server.command('key', 'ridge');
    feeds.push(encode({ video: 'h264', audio: 'aac', trait: 'b-frames' }, 'rtmp', address(server.at, 'rtmp', 'publish', 'ridge', key)));
    await owner.evaluate(async (url) => {
      const ask = (method: string, path: string, body: object) => fetch(`/api/v1/${path}`, { method, body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } });
      await ask('PUT', 'sources/front-door', { url, transport: 'auto', when: 'always', private: true });
      await ask('PUT', 'sources/dock', { url: 'rtsp://user:word@127.0.0.1:1/main', transport: 'tcp', when: 'always', private: true });
      await ask('POST', 'pushes', { stream: 'ridge', url: 'rtmp://127.0.0.1:1/live/key' });
    }, `rtsp://${camera.at.rtsp}/camera`);
    await owner.reload();
    await owner.getByText('The encoder sends B-frames', { exact: true }).waitFor();
    await owner.waitForTimeout(4000); // the camera is connected, the other ones were tried
    await shoot(owner, 'sources');
    await owner.getByRole('button', { name: 'Edit front-door' }).click();
    await owner.getByRole('button', { name: 'Test' }).click();
    await owner.getByText('It works.').waitFor();
    await shoot(owner, 'sources-camera');
  } finally {
    for (const f of feeds) await f.stop();
    await browser.close();
    await camera.stop();
    await server.stop();
  }
});
