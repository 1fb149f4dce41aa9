import { type BrowserContext, expect, type Locator, type Page, test as base, type TestInfo } from '@playwright/test';
import { type Evaluator, explain, heard, moved, picture, spy } from './probe';
import { type Options, Server } from './server';

interface Fixtures {
  /** Settings of this test's server. */
  settings: Options;
  server: Server;
  /** Opens a page in a context of its own, as another person would. */
  person: (o?: { devices?: boolean }) => Promise<Page>;
}

export const test = base.extend<Fixtures>({
  settings: [{ open: true }, { option: true }],
  server: async ({ settings }, use, info) => {
    const server = await Server.start(settings);
    await use(server);
    await dismiss(server, info);
  },
  person: async ({ browser, server, viewport }, use) => {
    const contexts: BrowserContext[] = [];
    await use(async ({ devices = false } = {}) => {
      const context = await browser.newContext({
        baseURL: server.url,
        viewport,
        permissions: devices ? ['camera', 'microphone'] : [],
      });
      contexts.push(context);
      await context.addInitScript(spy);
      return context.newPage();
    });
    for (const c of contexts) await c.close();
  },
});

export { expect };

/** Stops a test's server; where the test failed, what the server logged comes with it. */
export async function dismiss(server: Server, info: TestInfo): Promise<void> {
  await server.stop();
  if (info.status !== info.expectedStatus) await info.attach('server.log', { body: server.log });
}

/** What the page says to eyes; screen readers hear the same words from the status region, at their own time. */
export function said(page: Page, text: string | RegExp): Locator {
  return page.getByText(text).and(page.locator(':not([role="status"])')).first();
}

/** Goes live from the studio and returns when the server has the stream. */
export async function goLive(page: Page, stream: string, o: { key?: string; codec?: string; quality?: string; title?: string } = {}): Promise<void> {
  await page.goto('/studio');
  await expect(page.locator('[data-phase="ready"]')).toBeVisible();
  await page.getByLabel('Stream name').fill(stream);
  await page.getByRole('radio', { name: o.quality ?? '360p' }).check();
  if (o.title) await page.getByLabel('Title').fill(o.title);
  if (o.key) await page.getByLabel('Stream key').fill(o.key);
  if (o.codec) {
    await page.getByText('Advanced').click();
    await page.getByLabel('Video codec').selectOption(o.codec);
  }
  await page.getByRole('button', { name: 'Go live' }).click();
}

/** The studio says that it is on air. */
export async function onAir(page: Page): Promise<void> {
  await expect(page.locator('.studio[data-phase="live"]')).toBeVisible();
}

/** Presses the button that a page shows which may not begin with sound; nothing where there is none. */
function turnSoundOn(page: Evaluator): Promise<void> {
  return page.evaluate(() => {
    [...document.querySelectorAll('button')].find((b) => b.textContent?.includes('Turn sound on'))?.click();
  });
}

/** Waits until frames are decoded, the picture moves and sound is heard. Where it waits in vain, the error says what the page does. */
export async function plays(page: Evaluator, o: { sound?: boolean } = {}): Promise<void> {
  try {
    await becomesLively(page, o.sound !== false);
  } catch (error) {
    const found = await explain(page).catch((e: unknown) => `the page says nothing: ${String(e)}`);
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${found}`, { cause: error });
  }
}

async function becomesLively(page: Evaluator, sound: boolean): Promise<void> {
  const before = await heard(page);
  const still = await picture(page);
  await expect.poll(async () => (await heard(page)).frames, { message: 'frames are decoded' }).toBeGreaterThan(before.frames + 10);
  await expect.poll(async () => moved(still, await picture(page)), { message: 'the picture moves' }).toBe(true);
  if (sound) {
    const listen = async () => {
      await turnSoundOn(page);
      return (await heard(page)).energy;
    };
    await expect.poll(listen, { message: 'sound is heard' }).toBeGreaterThan(before.energy);
  }
}
