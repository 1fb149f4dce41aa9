import { expect, goLive, onAir, plays, said, test } from '../lib/test';
import { path } from '../lib/probe';

test('a person goes live from the studio and another watches', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  await onAir(studio);
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await expect(viewer.getByRole('region', { name: 'Video player' })).toHaveAttribute('data-phase', 'live');
  expect(await path(viewer), 'UDP is open, so it is used').toBe('direct/udp');
  expect(await path(studio)).toBe('direct/udp');
  await expect(viewer.getByText('Live', { exact: true }).first()).toBeVisible();
  await expect(studio.getByRole('region', { name: 'Viewers', exact: true })).toContainText('1');
});

test('the home page lists a stream and leads to it', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  await onAir(studio);
  const viewer = await person();
  await viewer.goto('/');
  await viewer.getByRole('link', { name: /harbour/ }).first().click();
  await expect(viewer).toHaveURL(/\/watch\/harbour$/);
  await plays(viewer);
});

test('a viewer who is early sees the picture by itself', async ({ person }) => {
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await expect(said(viewer, 'Not live yet')).toBeVisible();
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  await plays(viewer);
});

test('ending the stream is told to its viewers', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour');
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await studio.getByRole('button', { name: 'End stream' }).click();
  await studio.getByRole('dialog').getByRole('button', { name: /End/ }).click();
  await expect(said(viewer, 'This stream has ended')).toBeVisible();
});

test('a screen is shared and the camera comes back', async ({ browser, server, person }) => {
  const studio = await person({ devices: true });
  await studio.addInitScript(() => {
    // The browser's own picker cannot be worked from a test: a canvas stands in for the screen.
    navigator.mediaDevices.getDisplayMedia = async () => {
      const canvas = document.createElement('canvas');
      canvas.width = 640;
      canvas.height = 360;
      const c = canvas.getContext('2d');
      let n = 0;
      setInterval(() => {
        if (!c) return;
        c.fillStyle = '#fff';
        c.fillRect(0, 0, 640, 360);
        c.fillStyle = '#000';
        c.fillRect((n = (n + 7) % 600), 100, 40, 160);
      }, 33);
      return canvas.captureStream(30);
    };
  });
  await goLive(studio, 'harbour');
  await onAir(studio);
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
  await studio.getByRole('button', { name: 'Share screen' }).click();
  await expect.poll(() => brightness(viewer), { message: 'the white screen arrives' }).toBeGreaterThan(180);
  await studio.getByRole('button', { name: /screen/i }).first().click();
  await expect.poll(() => brightness(viewer), { message: 'the camera comes back' }).toBeLessThan(180);
});

async function brightness(page: import('@playwright/test').Page): Promise<number> {
  const { picture } = await import('../lib/probe');
  const grey = await picture(page);
  return grey.reduce((a, b) => a + b, 0) / Math.max(grey.length, 1);
}
