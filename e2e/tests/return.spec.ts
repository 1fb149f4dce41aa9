import { expect, goLive, onAir, plays, said, test } from '../lib/test';
import { heard } from '../lib/probe';

test('the publisher reloads and the viewer’s picture comes back on the same page', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  const page = await viewer.evaluate(() => performance.timeOrigin);
  studio.on('dialog', (d) => void d.accept()); // "leave the page?"
  await studio.reload();
  await onAir(studio);
  await expect(said(studio, 'Back on air after a reload.')).toBeVisible();
  await plays(viewer);
  expect(await viewer.evaluate(() => performance.timeOrigin), 'the viewer never reloaded').toBe(page);
  expect(await viewer.evaluate(() => (window as unknown as { peers: unknown[] }).peers.length), 'nor connected again').toBe(1);
});

test('a publisher who is gone shows as away and then as ended', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await studio.close({ runBeforeUnload: false });
  await expect(said(viewer, 'Back in a moment')).toBeVisible();
  await expect(said(viewer, 'This stream has ended')).toBeVisible();
});

test('a pause stops the picture and the live edge brings it back', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await viewer.keyboard.press('k');
  await expect(viewer.getByRole('button', { name: 'Play (k)' })).toBeVisible();
  await viewer.keyboard.press('L');
  await plays(viewer);
  expect((await heard(viewer)).width).toBeGreaterThan(0);
});
