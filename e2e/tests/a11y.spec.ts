import { accessible } from '../lib/axe';
import { expect, goLive, onAir, plays, test } from '../lib/test';

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

test('axe finds nothing in the studio', async ({ person }) => {
  const studio = await person({ devices: true });
  await studio.goto('/studio');
  await expect(studio.locator('[data-phase="ready"]')).toBeVisible();
  await accessible(studio);
  await goLive(studio, 'harbour');
  await onAir(studio);
  await accessible(studio);
});

test('axe finds nothing on a live stream', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  await onAir(studio);
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
