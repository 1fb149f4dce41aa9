import { program, visitor } from '../lib/chromium';
import { Lab, missing, near } from '../lib/lab';
import { heard, path } from '../lib/probe';
import { expect, goLive, onAir, plays, test } from '../lib/test';

const why = missing();
test.skip(why !== '', why);

let lab: Lab;
test.beforeAll(() => {
  if (why === '') lab = new Lab();
});
test.afterAll(() => lab?.close());

test.use({ settings: { open: true, listen: `${near}:0` } });

/** A Chromium on the other host of the lab. */
const far = (url: string, devices = false) => visitor(url, devices, lab.wrap(program));

/** ICE over TCP and the relay are tried at once; which is ready first wins. */
const tcp = /^(direct|relay)\/tcp$/;

test('with UDP blocked, publisher and viewer use TCP', async ({ server }) => {
  const studio = await far(server.url, true);
  const viewer = await far(server.url);
  try {
    lab.blockUDP(true);
    await goLive(studio.page, 'harbour');
    await onAir(studio.page);
    await viewer.page.goto('/watch/harbour');
    await plays(viewer.page);
    expect(await path(viewer.page)).toMatch(tcp);
    expect(await path(studio.page)).toMatch(tcp);
    await expect(viewer.page.getByRole('region', { name: 'Video player' })).toHaveAttribute('data-path', 'tcp');
  } finally {
    lab.blockUDP(false);
    await studio.browser.close();
    await viewer.browser.close();
  }
});

test('with UDP open, the pair is UDP', async ({ server }) => {
  const studio = await far(server.url, true);
  const viewer = await far(server.url);
  try {
    await goLive(studio.page, 'harbour');
    await onAir(studio.page);
    await viewer.page.goto('/watch/harbour');
    await plays(viewer.page);
    expect(await path(viewer.page)).toBe('direct/udp');
    expect(await path(studio.page)).toBe('direct/udp');
  } finally {
    await studio.browser.close();
    await viewer.browser.close();
  }
});

test('a viewer who is offline for 5 s comes back', async ({ server }) => {
  const near = await visitor(server.url, true);
  const studio = near.page;
  const viewer = await far(server.url);
  try {
    await goLive(studio, 'harbour');
    await onAir(studio);
    await viewer.page.goto('/watch/harbour');
    await plays(viewer.page);
    const origin = await viewer.page.evaluate(() => performance.timeOrigin);
    lab.cut(true);
    const player = viewer.page.getByRole('region', { name: 'Video player' });
    await expect(player).toHaveAttribute('data-phase', 'reconnecting');
    const before = (await heard(viewer.page)).frames;
    await viewer.page.waitForTimeout(5000); // the outage itself
    lab.cut(false);
    await expect(player).toHaveAttribute('data-phase', 'live');
    await plays(viewer.page);
    expect((await heard(viewer.page)).frames).toBeGreaterThan(before);
    expect(await viewer.page.evaluate(() => performance.timeOrigin)).toBe(origin);
  } finally {
    await viewer.browser.close();
    await near.browser.close();
  }
});
