import AxeBuilder from '@axe-core/playwright';
import type { Page } from '@playwright/test';
import { expect, goLive, onAir, plays, test } from '../lib/test';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Asserts that axe finds nothing, in both themes and at the widths of a desktop and a phone. */
async function accessible(page: Page): Promise<void> {
  for (const theme of ['dark', 'light'] as const) {
    for (const width of [1440, 390, 320]) {
      await page.setViewportSize({ width, height: width === 1440 ? 900 : 844 });
      await page.evaluate((t) => (document.documentElement.dataset['theme'] = t), theme);
      await page.evaluate(() => Promise.all(document.getAnimations().map((a) => a.finished.catch(() => undefined))));
      const { violations } = await new AxeBuilder({ page }).withTags(rules).analyze();
      const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
      expect(found, `${page.url()} ${theme} at ${width} px`).toEqual([]);
      const scrolls = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      expect(scrolls, `${page.url()} scrolls sideways at ${width} px`).toBe(false);
    }
  }
}

test.use({ colorScheme: 'dark', reducedMotion: 'reduce' } as Parameters<typeof test.use>[0]);

test('axe finds nothing on pages without a stream', async ({ person, server }) => {
  const page = await person();
  const setup = /\/setup\?token=\S+/.exec(server.log)?.[0] ?? '';
  for (const path of ['/', '/watch/nobody', '/signin', setup, '/nowhere']) {
    await page.goto(path);
    await expect(page.getByRole('heading', { level: 1 }).first()).toBeAttached();
    await accessible(page);
  }
});

test('axe finds nothing in the studio and on a live stream', async ({ person }) => {
  const studio = await person({ devices: true });
  await studio.goto('/studio');
  await expect(studio.locator('[data-phase="ready"]')).toBeVisible();
  await accessible(studio);
  await goLive(studio, 'harbour');
  await onAir(studio);
  await accessible(studio);
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await viewer.keyboard.press('i');
  await expect(viewer.getByRole('region', { name: 'Video player' }).getByText(/VP8/)).toBeVisible();
  await accessible(viewer);
  await viewer.goto('/');
  await expect(viewer.getByRole('link', { name: /harbour/ }).first()).toBeVisible();
  await accessible(viewer);
});

test('the player is worked with the keyboard alone', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  await onAir(studio);
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer, { sound: false });
  await viewer.keyboard.press('m');
  await expect(viewer.getByRole('button', { name: 'Mute (m)' })).toBeAttached();
  await viewer.keyboard.press('k');
  await expect(viewer.getByRole('button', { name: 'Play (k)' })).toBeAttached();
  await viewer.keyboard.press('k');
  await expect(viewer.getByRole('button', { name: 'Pause (k)' })).toBeAttached();
  await viewer.keyboard.press('t');
  await expect(viewer.getByRole('button', { name: 'Theatre (t)' })).toHaveAttribute('aria-pressed', 'true');
  await viewer.keyboard.press('f');
  await expect.poll(() => viewer.evaluate(() => document.fullscreenElement !== null)).toBe(true);
});
