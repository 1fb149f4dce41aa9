import { explain } from '../lib/probe';
import { frames, moments, until } from './page';
import type { Tab } from './person';

/** What people do in the web app, in whichever browser. */

const has = (tab: Tab, selector: string) => tab.evaluate((s) => document.querySelector(s) !== null, selector);

/** Opens the app and follows a link to a stream, as a person does. The page has its socket when somebody clicks. */
export async function openStream(tab: Tab, url: string, stream: string): Promise<void> {
  await tab.goto(url);
  await until('the app opens', tab, () => has(tab, 'main'));
  await new Promise((resolve) => setTimeout(resolve, 500));
  await tab.evaluate((to) => {
    const a = document.createElement('a');
    a.href = to;
    document.body.append(a);
    a.click();
    a.remove();
  }, `/watch/${stream}`);
}

/** Opens the studio and gets ready. */
export async function openStudio(tab: Tab, url: string): Promise<void> {
  await tab.goto(`${url}/studio`);
  await until('the studio gets the camera', tab, () => has(tab, '.studio[data-phase="ready"]'));
}

/** Goes live from a studio that is ready. */
export async function goLive(tab: Tab, stream: string): Promise<void> {
  await tab.evaluate((name) => {
    const field = document.querySelector<HTMLInputElement>('#stream');
    const small = document.querySelector<HTMLInputElement>('input[name="quality"][value="360p15"]');
    const go = document.querySelector<HTMLButtonElement>('#choices button[type="submit"]');
    if (!field || !small || !go) throw new Error('the studio has no form');
    field.value = name;
    field.dispatchEvent(new Event('input', { bubbles: true }));
    small.click();
    setTimeout(() => go.click());
  }, stream);
}

/** Waits for the first picture in a tab, and returns when it was (ms since 1970). */
export async function picture(tab: Tab, blame = tab): Promise<number> {
  await until('a picture', blame, async () => (await moments(tab)).shown > 0);
  return (await moments(tab)).shown;
}

/** Requires that frames are decoded all the time for some seconds, and returns how many a second. */
export async function keepsDecoding(tab: Tab, seconds = 2): Promise<number> {
  const first = await frames(tab);
  let before = first;
  for (let s = 0; s < seconds; s++) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const now = await frames(tab);
    if (now <= before) throw new Error(`no frame was decoded in second ${s + 1} after the first picture (${before} before); ${await explain(tab)}`);
    before = now;
  }
  return (before - first) / seconds;
}
