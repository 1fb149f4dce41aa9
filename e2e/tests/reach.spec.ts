import type { Page } from '@playwright/test';
import { accessible } from '../lib/axe';
import { program, visitor } from '../lib/chromium';
import { Lab, missing, near } from '../lib/lab';
import { expect, goLive, onAir, plays, said, test } from '../lib/test';

/** What the page has found, by way, when it has found all. */
async function found(page: Page): Promise<Record<string, string>> {
  const rows = page.locator('[data-way]');
  await expect(rows).toHaveCount(5);
  await expect(page.locator('[data-outcome="testing"]')).toHaveCount(0, { timeout: 15_000 });
  const all = await rows.evaluateAll((list) => list.map((r) => [r.getAttribute('data-way'), r.getAttribute('data-outcome')]));
  return Object.fromEntries(all) as Record<string, string>;
}

test('on an open network every way that the server has is open', async ({ person }) => {
  const page = await person();
  await page.goto('/check');
  const ways = await found(page);
  expect(ways).toMatchObject({ websocket: 'open', udp: 'open', tcp: 'open', 'relay-tcp': 'open' });
  await expect(said(page, 'Everything that the server offers gets through. Streams play over UDP.')).toBeVisible();
  await expect(page.getByRole('status')).toHaveText('Everything that the server offers gets through. Streams play over UDP.');
});

test('the results are copied, and the test is repeated', async ({ person, server }) => {
  const page = await person();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/check?next=/watch/harbour');
  await found(page);
  await page.getByRole('button', { name: 'Copy results' }).press('Enter');
  await expect(page.getByRole('button', { name: 'Copied' })).toBeVisible();
  const text = await page.evaluate(() => navigator.clipboard.readText());
  expect(text).toContain(`Server: ${server.url}`);
  expect(text).toMatch(/^UDP +open +\d+ m?s {2}to /m);
  expect(text).toMatch(/^Browser: Chrom\w+ \d+ on /m);
  await page.getByRole('button', { name: 'Test again' }).press('Enter');
  await expect(page.locator('[data-outcome="testing"]').first()).toBeVisible();
  expect(await found(page)).toMatchObject({ udp: 'open' });
  await page.getByRole('link', { name: 'Back to the stream' }).click();
  await expect(page).toHaveURL('/watch/harbour');
});

test('axe finds nothing on the page', async ({ person }) => {
  const page = await person();
  await page.goto('/check');
  await found(page);
  await accessible(page, { tall: true });
});

test('the studio looks before going live', async ({ person }) => {
  const page = await person({ devices: true });
  await page.goto('/studio');
  const check = page.getByRole('region', { name: 'Connection check' });
  await expect(check).toContainText('Everything that the server offers gets through. You send over UDP.', { timeout: 15_000 });
  await check.getByRole('button', { name: 'Check the connection again' }).click();
  await expect(check).toHaveAttribute('data-mark', 'testing');
  await expect(check).toHaveAttribute('data-mark', 'ok', { timeout: 15_000 });
  await check.getByRole('link').click();
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Can’t connect?');
});

test.describe('in a network of its own', () => {
  const why = missing();
  test.skip(why !== '', `the network cannot be filtered: ${why}`);
  test.use({ settings: { open: true, listen: `${near}:0` } });

  let lab: Lab;
  test.beforeAll(() => {
    if (why === '') lab = new Lab();
  });
  test.afterAll(() => lab?.close());

  test('UDP that is blocked is named, and whom to ask', async ({ server }) => {
    const { page, browser } = await visitor(server.url, false, lab.wrap(program));
    try {
      lab.blockUDP(true);
      await page.goto('/check');
      expect(await found(page)).toMatchObject({ websocket: 'open', udp: 'blocked', tcp: 'open', 'relay-tcp': 'open' });
      await expect(said(page, 'UDP is blocked here. Streams play over TCP, a little later.')).toBeVisible();
      await expect(said(page, `allow outgoing UDP to port ${new URL(server.url).port} of ${near}`)).toBeVisible();
    } finally {
      lab.blockUDP(false);
      await browser.close();
    }
  });

  test('the player and the studio say the way that is taken', async ({ server }) => {
    const studio = await visitor(server.url, true, lab.wrap(program));
    const viewer = await visitor(server.url, false, lab.wrap(program));
    try {
      await goLive(studio.page, 'harbour');
      await onAir(studio.page);
      await expect(said(studio.page, /^Sending .*, over UDP\.$/)).toBeVisible();
      lab.blockUDP(true);
      await viewer.page.goto('/watch/harbour');
      await plays(viewer.page);
      await viewer.page.keyboard.press('i');
      await expect(viewer.page.locator('dl[aria-label="Stats"]')).toContainText(/way\s*TCP/);
    } finally {
      lab.blockUDP(false);
      await studio.browser.close();
      await viewer.browser.close();
    }
  });

  test('an outage of 20 s goes on in the same session', async ({ server }) => {
    const studio = await visitor(server.url, true);
    const viewer = await visitor(server.url, false, lab.wrap(program));
    try {
      await goLive(studio.page, 'harbour');
      await onAir(studio.page);
      await viewer.page.goto('/watch/harbour');
      await plays(viewer.page);
      const player = viewer.page.getByRole('region', { name: 'Video player' });
      lab.cut(true);
      await viewer.page.waitForTimeout(20_000).finally(() => lab.cut(false)); // the outage itself
      await expect(player).toHaveAttribute('data-phase', 'reconnecting');
      await expect(player).toHaveAttribute('data-phase', 'live');
      await plays(viewer.page);
      expect(await viewer.page.evaluate(() => (globalThis as unknown as { peers: unknown[] }).peers.length)).toBe(1);
    } finally {
      await studio.browser.close();
      await viewer.browser.close();
    }
  });
});
