import type { Page } from '@playwright/test';
import { accessible } from '../lib/axe';
import { encode, lacks, type Door, type Media, type Tool } from '../lib/encoder';
import { Server } from '../lib/server';
import { dismiss, expect, plays, said, test as base } from '../lib/test';

const password = 'a long enough password';
const why = lacks('ffmpeg');

interface Fixtures {
  /** Publishes to an address, and ends with the test. */
  encoder: (address: string, trait?: Media['trait']) => Tool;
  /** A page of the owner, signed in. */
  owner: Page;
  /** Another server, where anyone may publish. */
  other: Server;
}

const test = base.extend<Fixtures>({
  encoder: async ({}, use, info) => {
    const made: Tool[] = [];
    await use((address, trait) => {
      const door = address.slice(0, address.indexOf(':')) as Door;
      const media: Media = { video: 'h264', audio: door === 'rtsp' ? 'opus' : 'aac', ...(trait ? { trait } : {}) };
      const e = encode(media, door, address);
      made.push(e);
      return e;
    });
    for (const e of made) {
      await e.stop();
      if (info.status !== info.expectedStatus) await info.attach('ffmpeg.log', { body: e.said });
    }
  },
  owner: async ({ person }, use) => {
    const page = await person();
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.goto('/signin?next=/sources');
    await page.getByLabel(/name/i).fill('admin');
    await page.getByLabel('Password', { exact: true }).fill(password);
    await page.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await expect(page.getByRole('heading', { name: 'Sources' })).toBeVisible();
    await use(page);
  },
  other: async ({}, use, info) => {
    const server = await Server.start({ open: true });
    await use(server);
    await dismiss(server, info);
  },
});
if (why !== '') console.log(`skipped: ${why}`);

/** Presses a copy button and returns what is in the clipboard. */
async function copied(page: Page, what: string): Promise<string> {
  await page.getByRole('button', { name: `Copy ${what}`, exact: true }).first().click();
  await expect(said(page, `Copied ${what}.`)).toBeVisible();
  return page.evaluate(() => navigator.clipboard.readText());
}

const arriving = (page: Page) => page.getByRole('region', { name: 'Arriving' });
const pulled = (page: Page) => page.getByRole('region', { name: 'Pulled cameras' });
const sent = (page: Page) => page.getByRole('region', { name: 'Send on' });

test('a visitor of an open server connects an encoder without a key', async ({ person, encoder }) => {
  test.skip(why !== '', why);
  const page = await person();
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await page.goto('/');
  await page.getByRole('navigation', { name: 'Main', exact: true }).getByRole('link', { name: 'Sources' }).click();
  await page.getByLabel('Stream name').fill('ridge');
  await expect(arriving(page)).toContainText('Nothing arrives as ridge yet');
  const address = await copied(page, 'RTMP address');
  expect(address).toMatch(/^rtmp:\/\/127\.0\.0\.1:\d+\/live\/ridge$/);
  const e = encoder(address);
  await expect(arriving(page)).toContainText('ridge by RTMP');
  await expect(arriving(page)).toContainText('H.264 320×180, 30 fps');
  await expect(arriving(page)).toContainText('AAC 48 kHz, stereo');
  await expect(arriving(page)).toContainText('every 1.0 s');
  await expect(arriving(page)).toContainText(/\d+ kb\/s|\d+\.\d+ Mb\/s/);
  await accessible(page, { tall: true });
  await page.setViewportSize({ width: 1280, height: 800 });
  await arriving(page).getByRole('link', { name: 'Watch' }).click();
  await plays(page);
  await page.goBack();
  await e.stop();
  await expect(arriving(page)).toContainText(/dropped|Nothing arrives/);
});

test.describe('nothing is coded again', () => {
  test.use({ settings: { open: true, flags: ['--transcode', 'off'] } });

  test('a viewer is told what browsers cannot play, and the broadcaster the cure', async ({ person, encoder, server }) => {
    test.skip(why !== '', why);
    const address = `rtmp://${server.at.rtmp}/live/ridge`;
    const wrong = encoder(address, 'b-frames');
    const viewer = await person();
    await viewer.goto('/watch/ridge');
    await expect(viewer.getByRole('alert')).toContainText('Browsers cannot play this stream');
    await expect(viewer.getByText(/Max B-frames/)).toBeVisible();
    await accessible(viewer, { tall: true });
    await viewer.setViewportSize({ width: 1280, height: 800 });
    await wrong.stop();
    encoder(address);
    await plays(viewer);
    await viewer.keyboard.press('i');
    await expect(viewer.getByText(/onMetaData, .* ago/)).toBeVisible();
  });
});

test.describe('publishing needs a key', () => {
  test.use({ settings: { password } });

  test('a visitor is asked to sign in', async ({ person }) => {
    const page = await person();
    await page.goto('/');
    await page.getByRole('navigation', { name: 'Main', exact: true }).getByRole('link', { name: 'Sources' }).click();
    await expect(page.getByRole('main').getByRole('link', { name: 'Sign in' })).toBeVisible();
    await accessible(page);
  });

  test('a key is made, copied whole, and replaced', async ({ owner, encoder }) => {
    test.skip(why !== '', why);
    await owner.getByLabel('Stream name').fill('ridge');
    await owner.getByRole('button', { name: 'Make a key' }).click();
    const key = await copied(owner, 'stream key');
    expect(key).toMatch(/^hk_/);
    expect(await owner.content(), 'the key is not on the page').not.toContain(key);
    const address = await copied(owner, 'SRT address');
    expect(address).toContain(key);
    const e = encoder(address);
    await expect(arriving(owner)).toContainText('ridge by SRT');
    await e.stop();
    await owner.getByRole('button', { name: 'Replace' }).click();
    await expect(owner.getByRole('dialog')).toContainText('Encoders that use the old key stop');
    await owner.getByRole('button', { name: 'Replace key' }).click();
    await expect.poll(async () => copied(owner, 'stream key')).not.toBe(key);
    const refused = encoder(address.replace(/^srt.*/, (await copied(owner, 'RTMP address')).replace(/key=.*/, `key=${key}`)));
    await expect.poll(() => refused.running, { message: 'the old key is refused' }).toBe(false);
    const again = encoder(await copied(owner, 'RTSP address'));
    await expect(arriving(owner)).toContainText('ridge by RTSP');
    await again.stop();
  });

  test('a picture that browsers do not play is diagnosed, with the cure', async ({ owner, encoder, server }) => {
    test.skip(why !== '', why);
    await owner.getByLabel('Stream name').fill('ridge');
    await owner.getByRole('button', { name: 'Make a key' }).click();
    await expect(owner.getByRole('button', { name: 'Replace' })).toBeVisible();
    encoder(await copied(owner, 'RTMP address'), 'b-frames');
    await expect(arriving(owner).getByText('The encoder sends B-frames', { exact: true })).toBeVisible();
    await expect(arriving(owner)).toContainText('OBS');
    await accessible(owner, { tall: true });
    expect(server.log).toContain('b_frames');
  });

  test('a camera is tried, added, seen and deleted', async ({ owner, encoder, other }) => {
    test.skip(why !== '', why);
    encoder(`rtsp://${other.at.rtsp}/camera`);
    await pulled(owner).getByRole('button', { name: 'Add a camera' }).click();
    const dialog = owner.getByRole('dialog', { name: 'Add a camera' });
    await dialog.getByLabel('Stream name').fill('gate');
    await dialog.getByLabel('RTSP address').fill(`rtsp://${other.at.rtsp}/camera`);
    await dialog.getByRole('button', { name: 'Test' }).click();
    await dialog.getByRole('button', { name: 'Allow my own network' }).click();
    await expect(async () => {
      await dialog.getByRole('button', { name: 'Test' }).click();
      await expect(dialog.getByText('It works.')).toBeVisible({ timeout: 5000 });
    }).toPass();
    await expect(dialog).toContainText('H.264 320×180');
    await accessible(owner, { tall: true });
    await owner.setViewportSize({ width: 1280, height: 800 });
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(pulled(owner)).toContainText(/Live for|Live\./);
    await owner.getByLabel('Stream name').fill('gate');
    await expect(arriving(owner)).toContainText('H.264 320×180');
    await pulled(owner).getByRole('button', { name: 'Edit gate' }).click();
    const edit = owner.getByRole('dialog', { name: 'Edit gate' });
    await edit.getByRole('radio', { name: 'Only while watched' }).check();
    await edit.getByRole('button', { name: 'Save' }).click();
    await expect(edit).toBeHidden();
    await pulled(owner).getByRole('button', { name: 'Delete gate' }).click();
    await owner.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(pulled(owner)).toContainText('None yet');
  });

  test('a camera that is not there is said so', async ({ owner }) => {
    await pulled(owner).getByRole('button', { name: 'Add a camera' }).click();
    const dialog = owner.getByRole('dialog', { name: 'Add a camera' });
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(dialog.getByLabel('Stream name')).toBeFocused();
    await dialog.getByLabel('Stream name').fill('gate');
    await dialog.getByLabel('RTSP address').fill('rtsp://127.0.0.1:1/x');
    await dialog.getByLabel('The camera is on my own network').check();
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(pulled(owner)).toContainText('Unreachable');
  });

  test('a stream is sent on to another server, and switched off', async ({ owner, encoder, other, person }) => {
    test.skip(why !== '', why);
    await owner.getByLabel('Stream name').fill('ridge');
    await owner.getByRole('button', { name: 'Make a key' }).click();
    await expect(owner.getByRole('button', { name: 'Replace' })).toBeVisible();
    encoder(await copied(owner, 'RTMP address'));
    await sent(owner).getByRole('button', { name: 'Add a server to send to' }).click();
    const dialog = owner.getByRole('dialog');
    await dialog.getByRole('radio', { name: 'Other' }).check();
    await dialog.getByLabel('Address').fill(`rtmp://${other.at.rtmp}/live/copy`);
    await dialog.getByRole('button', { name: 'Add', exact: true }).click();
    await expect(sent(owner)).toContainText('Sending for');
    await expect(sent(owner)).toContainText(/\d (kB|MB) sent/);
    await accessible(owner, { tall: true });
    await owner.setViewportSize({ width: 1280, height: 800 });
    const viewer = await person();
    await viewer.goto(`${other.url}/watch/copy`);
    await plays(viewer);
    await sent(owner).getByRole('switch').click();
    await expect(sent(owner).getByRole('switch')).toHaveAttribute('aria-checked', 'false');
    await expect(said(viewer, 'This stream has ended')).toBeVisible();
    await sent(owner).getByRole('button', { name: /^Delete/ }).click();
    await owner.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await expect(sent(owner)).toContainText('Nowhere yet');
  });
});
