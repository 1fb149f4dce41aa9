import type { Page } from '@playwright/test';
import { heard, moved, picture } from '../lib/probe';

export interface Watched {
  video: boolean;
  audio: boolean;
  codec: string;
  /** What the page says, when it says that something cannot be played. */
  says: string;
  /** What the player was doing at the end. */
  phase: string;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** What stands over the picture and under it when the page has given up; '' while it still tries, which explains nothing. */
function words(page: Page): Promise<string> {
  return page.evaluate(() => {
    if (!document.querySelector('[data-phase="cannot-play"]')) return '';
    const shown = [...document.querySelectorAll<HTMLElement>('.veil p, .cure')];
    return shown.map((e) => e.innerText.replace(/\s+/g, ' ').trim()).join(' ');
  });
}

/** Opens the watch page and sees whether picture and sound come; returns as soon as all that is wanted plays, or the page gives up. */
export async function watch(page: Page, url: string, wants: { video: boolean; audio: boolean }, limit = 20): Promise<Watched> {
  await page.goto(url);
  const result: Watched = { video: false, audio: false, codec: '', says: '', phase: '' };
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
  result.phase = (await page.locator('[data-phase]').first().getAttribute('data-phase')) ?? '';
  return result;
}
