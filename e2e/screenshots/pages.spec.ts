import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium as playwright, type Browser, type Page, test } from '@playwright/test';
import { chromium } from '../lib/chromium';
import { spy } from '../lib/probe';
import { Server } from '../lib/server';
import { goLive, onAir, plays } from '../lib/test';

const out = import.meta.dirname;
const sizes = { 1440: 900, 390: 844 };

/** A moving picture that is nicer to look at than the browser's own test pattern. */
function film(): string[] {
  const file = join(out, '../.cache/film.mjpeg');
  if (!existsSync(file)) {
    mkdirSync(join(out, '../.cache'), { recursive: true });
    const source = 'gradients=s=1280x720:r=30:d=8:c0=0x1b3a4b:c1=0x3e6a7c:c2=0xe8b35a:c3=0xf6d58e:nb_colors=4:speed=0.02:seed=7';
    const made = spawnSync('ffmpeg', ['-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-vf', 'hue=s=0.8', '-q:v', '4', file]);
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

    const studio = await person(browser, server.url);
    await studio.goto('/studio');
    await studio.locator('[data-phase="ready"]').waitFor();
    await studio.getByLabel('Title').fill('First light over the harbour');
    await shoot(studio, 'studio-ready');
    await goLive(studio, 'harbour', { quality: '720p', title: 'First light over the harbour' });
    await onAir(studio);
    await viewer.goto('/watch/harbour');
    await plays(viewer);
    await viewer.waitForTimeout(12_000); // the picture grows to its full size, a poster is sent
    await shoot(viewer, 'watch');
    await viewer.keyboard.press('i');
    await viewer.getByRole('button', { name: 'Share' }).click();
    await shoot(viewer, 'watch-stats');
    await shoot(studio, 'studio-live');
    await viewer.goto('/');
    await viewer.getByRole('link', { name: /First light/ }).first().waitFor();
    await shoot(viewer, 'home');
    await viewer.goto('/watch/harbour');
    await plays(viewer);
    await studio.close({ runBeforeUnload: false });
    await viewer.getByText('Back in a moment').waitFor();
    await shoot(viewer, 'watch-away');
    await viewer.getByText('This stream has ended').waitFor();
    await shoot(viewer, 'watch-ended');
  } finally {
    await browser.close();
    await server.stop();
  }
});
