import AxeBuilder from '@axe-core/playwright';
import { expect, type Page } from '@playwright/test';

const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

/** Runs in the page: waits for what moves and comes to an end. */
async function settled(): Promise<void> {
  const ending = document.getAnimations().filter((a) => Number(a.effect?.getComputedTiming().endTime) < Infinity);
  await Promise.all(ending.map((a) => a.finished.catch(() => undefined)));
}

/** Asserts that axe finds nothing, in both themes and at the widths of a desktop and a phone. `tall`: pages that go on below the bar at the bottom. */
export async function accessible(page: Page, o: { tall?: boolean } = {}): Promise<void> {
  for (const theme of ['dark', 'light'] as const) {
    for (const width of [1440, 390, 320]) {
      await page.setViewportSize({ width, height: o.tall ? 5000 : width === 1440 ? 900 : 844 });
      await page.evaluate((t) => (document.documentElement.dataset['theme'] = t), theme);
      await page.evaluate(settled);
      // Legacy mode: the other opens a page of its own for each analysis, for the sake of frames, which we have none of.
      const { violations } = await new AxeBuilder({ page }).withTags(rules).setLegacyMode().analyze();
      const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`);
      expect(found, `${page.url()} ${theme} at ${width} px`).toEqual([]);
      const scrolls = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      expect(scrolls, `${page.url()} scrolls sideways at ${width} px`).toBe(false);
    }
  }
}
