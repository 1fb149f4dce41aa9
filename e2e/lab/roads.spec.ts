import type { TestInfo } from '@playwright/test';
import { mustBeStraight, publishes, views } from './does';
import type { Site } from './internet';
import { way } from './page';
import { type BrowserName, browsers, person } from './person';
import { Watch } from './recovery';
import { fill, type Found } from './rows';
import { test, type World } from './world';

/** For work on no row. */
const nothing = (): Found => ({ way: '', ms: null, figures: '' });

for (const told of [true, false]) {
  const net = told ? 'server in a container' : 'the same, not told its address';
  test(`bridge ${net}`, { tag: told ? '@ci' : [] }, async ({ world }, info) => {
    // Browsers take no address for one of a server that is private and has port 443.
    const port = told ? 443 : 8080;
    const { inner, address, close } = world.internet.bridged(told ? 'told' : 'untold', port);
    const site = await world.internet.site('port-restricted');
    const { server, encoder } = await world.serve(inner, port, told ? ['--public-host', address] : []);
    const url = `http://${address}:${port}`;
    const someone = await person('Chromium', site.client, url);
    const another = await person('Chromium', site.client, url);
    try {
      await fill(info, { table: 'more', net, browser: 'Chromium', does: 'view', goal: told ? 700 : 3000 }, async (found) => {
        await views(await someone.tab(), url, found);
        // Whoever is told the address has no excuse for less than the straight way.
        if (told) mustBeStraight(found.way);
      });
      await fill(info, { table: 'more', net, browser: 'Chromium', does: 'publish', goal: null }, async (found) => {
        await publishes(await someone.tab(), await another.tab(), { url, watchUrl: url, stream: 'bridge' }, found);
        if (told) mustBeStraight(found.way);
      });
    } finally {
      await someone.close();
      await another.close();
      await encoder.stop();
      await server.stop();
      site.close();
      close();
    }
  });
}

for (const browser of browsers) {
  test(`IPv6 only ${browser}`, { tag: browser === 'Chromium' ? '@ci' : [] }, async ({ world }, info) => {
    const net = 'IPv6 only';
    const site = await world.internet.site('ipv6');
    const someone = await person(browser, site.client, world.url6);
    const row = { table: 'more', net, browser } as const;
    try {
      await fill(info, { ...row, does: 'view', goal: 700 }, async (found) => {
        const tab = await someone.tab();
        await views(tab, world.url6, found);
        mustBeStraight(found.way);
        await tab.close();
      });
      await fill(info, { ...row, does: 'publish', goal: null }, async (found) => {
        const viewer = await world.elsewhere.tab();
        try {
          await publishes(await someone.tab(), viewer, { url: world.url6, watchUrl: world.url, stream: `six-${browser.toLowerCase()}` }, found);
          mustBeStraight(found.way);
        } finally {
          await viewer.close();
        }
      });
    } finally {
      await someone.close();
      site.close();
    }
  });
}

/** Both sides of one site at once: somebody there watches, and somebody elsewhere watches what is published there. */
async function recovers(world: World, o: { net: string; browser: BrowserName; goal: number }, info: TestInfo, trouble: (site: Site) => Promise<() => void>): Promise<void> {
  const site = await world.internet.site('port-restricted');
  const someone = await person(o.browser, site.client, world.url);
  const viewer = await world.elsewhere.tab();
  const stream = `${o.net}-${o.browser}`.replaceAll(' ', '-').toLowerCase();
  let undo = () => {};
  try {
    const [studio, tab] = [await someone.tab(), await someone.tab()];
    await publishes(studio, viewer, { url: world.url, watchUrl: world.url, stream }, nothing());
    await views(tab, world.url, nothing());
    const both = [await Watch.of(tab), await Watch.of(viewer, studio)] as const;
    undo = await trouble(site);
    const back = Date.now();
    const row = { table: 'more', ...o, limit: 2 * o.goal } as const;
    const ends = both.map((w) => w.after(back, 30));
    await fill(info, { ...row, does: 'view' }, async (found) => {
      found.ms = await (ends[0] as Promise<number>);
      found.way = await way(tab);
    });
    await fill(info, { ...row, does: 'publish' }, async (found) => {
      found.ms = await (ends[1] as Promise<number>);
      found.way = await way(studio);
    });
  } finally {
    await viewer.close();
    await someone.close();
    undo();
    site.close();
  }
}

for (const browser of browsers) {
  test(`address change ${browser}`, async ({ world }, info) => {
    await recovers(world, { net: 'another address', browser, goal: 3000 }, info, async (site) => {
      const second = await world.internet.secondWay(site.client);
      second.switchOver();
      return second.close;
    });
  });
}

for (const seconds of [5, 20, 30]) {
  for (const browser of browsers) {
    test(`outage ${seconds} s ${browser}`, { tag: seconds === 5 && browser === 'Chromium' ? '@ci' : [] }, async ({ world }, info) => {
      await recovers(world, { net: `${seconds} s without network`, browser, goal: 5000 }, info, async (site) => {
        await site.line.set('loss=100');
        await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
        await site.line.set('loss=0');
        return () => {};
      });
    });
  }
}
