import { expect, goLive, onAir, plays, said, test } from '../lib/test';

test.describe('publishing is closed', () => {
  test.use({ settings: { password: 'a long enough password' } });

  test('a wrong stream key is told, and the right one works', async ({ person, server }) => {
    const studio = await person({ devices: true });
    await goLive(studio, 'harbour', { key: 'wrong' });
    await expect(said(studio, 'The key does not fit this name')).toBeVisible();
    const key = await server.command('key', 'harbour');
    await goLive(studio, 'harbour', { key });
    await onAir(studio);
  });

  test('a signed-in owner goes live without a key', async ({ person }) => {
    const studio = await person({ devices: true });
    await studio.goto('/signin');
    await studio.getByLabel(/name/i).fill('admin');
    await studio.getByLabel('Password', { exact: true }).fill('wrong');
    await studio.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await expect(studio.getByRole('main')).toContainText(/password/i);
    await studio.getByLabel('Password', { exact: true }).fill('a long enough password');
    await studio.getByRole('main').getByRole('button', { name: 'Sign in' }).click();
    await expect(studio.getByRole('button', { name: 'Account: admin' })).toBeVisible();
    await goLive(studio, 'harbour');
    await onAir(studio);
  });
});

test('the set-up link makes the owner’s account, once', async ({ person, server }) => {
  const link = /http\S+\/setup\?token=\S+/.exec(server.log)?.[0] ?? '';
  const owner = await person();
  await owner.goto(link);
  await expect(owner.getByRole('heading', { name: 'Make the owner’s account' })).toBeVisible();
  expect(owner.url(), 'the token is not in the address bar').not.toContain('token');
  await owner.reload();
  await owner.getByLabel(/name/i).fill('ada');
  for (const field of await owner.locator('input[type=password]').all()) await field.fill('a long enough password');
  await owner.getByRole('button', { name: 'Make the account' }).click();
  await expect(owner.getByRole('button', { name: 'Account: ada' })).toBeVisible();
  const other = await person();
  await other.goto(link);
  await expect(said(other, 'This server is set up')).toBeVisible();
});

test('a stream that nobody publishes says so', async ({ person }) => {
  const viewer = await person();
  await viewer.goto('/watch/nobody');
  await expect(said(viewer, 'Not live yet')).toBeVisible();
  await viewer.goto('/nowhere');
  await expect(viewer.getByRole('heading', { level: 1 })).toContainText(/not|no page/i);
});

test('a second publisher of the same name is told', async ({ person }) => {
  const first = await person({ devices: true });
  await goLive(first, 'harbour');
  await onAir(first);
  const second = await person({ devices: true });
  await goLive(second, 'harbour');
  await expect(said(second, 'This name is on air')).toBeVisible();
  const viewer = await person();
  await viewer.goto('/watch/harbour');
  await plays(viewer);
});

test('a refused camera is told, with the way out', async ({ browser, server }) => {
  const context = await browser.newContext({ baseURL: server.url, permissions: [] });
  const studio = await context.newPage();
  await studio.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'));
  });
  await studio.goto('/studio');
  await expect(said(studio, /The browser blocked/)).toBeVisible();
  await expect(studio.getByRole('button', { name: 'Check again' })).toBeVisible();
  await context.close();
});

test('a viewer whose browser lacks the codec is told which', async ({ person }) => {
  const studio = await person({ devices: true });
  await goLive(studio, 'harbour', { codec: 'H264' });
  await onAir(studio);
  const viewer = await person();
  await viewer.addInitScript(() => {
    // A browser without H.264, as Debian's Firefox is.
    const all = RTCRtpReceiver.getCapabilities.bind(RTCRtpReceiver);
    const create = RTCPeerConnection.prototype.createOffer;
    RTCPeerConnection.prototype.createOffer = function (this: RTCPeerConnection, ...args: unknown[]) {
      for (const t of this.getTransceivers()) {
        if (t.receiver.track.kind === 'video') {
          t.setCodecPreferences((all('video')?.codecs ?? []).filter((c) => c.mimeType !== 'video/H264'));
        }
      }
      return (create as (...a: unknown[]) => Promise<RTCSessionDescriptionInit>).apply(this, args);
    } as typeof create;
  });
  await viewer.goto('/watch/harbour');
  await expect(said(viewer, 'This browser cannot play it')).toBeVisible();
  await expect(said(viewer, /H\.264/)).toBeVisible();
});
