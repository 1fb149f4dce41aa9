import { explain } from '../lib/probe';
import { frames } from './page';
import type { Tab } from './person';

/** A picture that stands still longer than this (ms) is interrupted. */
const still = 700;
/** A picture that goes on for this long (ms) without interruption is back. */
const steady = 2000;

/** Follows the picture of a tab through trouble. */
export class Watch {
  readonly #tab: Tab;
  readonly #troubled: Tab;
  readonly #born: number;

  private constructor(tab: Tab, troubled: Tab, born: number) {
    this.#tab = tab;
    this.#troubled = troubled;
    this.#born = born;
  }

  /** Follows the picture of `tab`, which the trouble of `troubled` interrupts: that is another tab where it is the publisher's. */
  static async of(tab: Tab, troubled = tab): Promise<Watch> {
    return new Watch(tab, troubled, await troubled.evaluate(() => performance.timeOrigin));
  }

  /**
   * How long (ms) after `from` (ms since 1970) the picture is back for good; next to nothing when it was never away.
   * Throws after some seconds, and when the page was loaded anew, which is no recovery.
   */
  async after(from: number, seconds: number): Promise<number> {
    let last = await frames(this.#tab);
    let moved = 0; // when a frame was decoded last
    let since = 0; // since when the picture goes on
    while (moved - since < steady) {
      if (Date.now() > from + seconds * 1000) throw new Error(`no picture within ${seconds} s of the network's return; ${await this.#explain()}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const now = await frames(this.#tab);
      if (now > last) {
        if (Date.now() - moved > still) since = Date.now();
        moved = Date.now();
      }
      last = now;
    }
    if ((await this.#troubled.evaluate(() => performance.timeOrigin)) !== this.#born) throw new Error('the picture came back, but the page was loaded anew');
    return since - from;
  }

  async #explain(): Promise<string> {
    const why = await explain(this.#troubled);
    return this.#tab === this.#troubled ? why : `at the publisher, ${why}; at the viewer, ${await explain(this.#tab)}`;
  }
}
