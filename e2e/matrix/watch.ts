import type { Page } from '@playwright/test';
import { heard, moved, picture } from '../lib/probe';

export interface Watched {
  video: boolean;
  audio: boolean;
  codec: string;
  /** What the page says, when it says that something cannot be played. */
  says: string;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What stands over the picture and under it, of what is wrong. */
function words(page: Page): Promise<string> {
  return page.evaluate(() => {
    const player = document.querySelector('[data-phase]');
    const shown = [...document.querySelectorAll<HTMLElement>('.veil, .cure, .notice, .note')].map((e) => e.innerText.replace(/\s+/g, ' ').trim());
    return player?.getAttribute('data-phase') === 'live' ? shown.filter((t) => !/^Turn sound on$/.test(t)).join(' ') : shown.join(' ');
  });
}

/** Opens the watch page and sees whether picture and sound come; returns as soon as all that is wanted plays, or the page gives up. */
export async function watch(page: Page, url: string, wants: { video: boolean; audio: boolean }, limit = 20): Promise<Watched> {
  await page.goto(url);
  const result: Watched = { video: false, audio: false, codec: '', says: '' };
  const end = Date.now() + limit * 1000;
  let first = await heard(page);
  let still = await picture(page);
  while (Date.now() < end) {
    await sleep(500);
    await page.evaluate(() => [...document.querySelectorAll('button')].find((b) => b.textContent?.includes('Turn sound on'))?.click());
    const now = await heard(page);
    if (now.frames < first.frames) [first, still] = [now, await picture(page)]; // a new connection
    // B-frames let a frame through now and then: a picture that plays makes 30 in a few seconds.
    result.video ||= now.frames - first.frames >= 30 && moved(still, await picture(page));
    result.audio ||= now.energy - first.energy > 1e-4;
    result.codec = now.codec;
    if ((result.video || !wants.video) && (result.audio || !wants.audio)) return result;
    if (await page.locator('[data-phase="cannot-play"]').count()) break;
  }
  result.says = await words(page);
  return result;
}
