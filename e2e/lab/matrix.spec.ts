import { mustBeStraight, publishes, views } from './does';
import type { Site } from './internet';
import type { Nat } from './nats';
import { type BrowserName, browsers, type Person, person } from './person';
import { fill } from './rows';
import { test } from './world';

const nets: (Nat | 'open')[] = ['open', 'full cone', 'port-restricted', 'symmetric', 'UDP blocked', 'only TCP 443'];
const passesUDP = (net: string) => net !== 'UDP blocked' && net !== 'only TCP 443';

/** The subset for continuous integration: each kind of way once or twice. */
const ci = (net: string, browser: BrowserName) => browser === 'Chromium' && net !== 'full cone' && net !== 'port-restricted';

for (const net of nets) {
  for (const browser of browsers) {
    test.describe(`matrix ${net} ${browser}`, () => {
      let site: Site;
      let someone: Person;
      test.beforeAll(async ({ world }) => {
        site = await world.internet.site(net);
        someone = await person(browser, site.client, world.url);
      });
      test.afterAll(async () => {
        await someone?.close();
        site?.close();
      });
      const tag = ci(net, browser) ? '@ci' : [];

      test('view', { tag }, async ({ world }, info) => {
        await fill(info, { table: 'matrix', net, browser, does: 'view', goal: passesUDP(net) ? 700 : 3000 }, async (found) => {
          const tab = await someone.tab();
          try {
            await views(tab, world.url, found);
            if (passesUDP(net)) mustBeStraight(found.way);
          } finally {
            await tab.close();
          }
        });
      });

      test('publish', { tag }, async ({ world }, info) => {
        await fill(info, { table: 'matrix', net, browser, does: 'publish', goal: null }, async (found) => {
          const stream = `${net}-${browser}`.replaceAll(' ', '-').toLowerCase();
          const [studio, viewer] = [await someone.tab(), await world.elsewhere.tab()];
          try {
            await publishes(studio, viewer, { url: world.url, watchUrl: world.url, stream }, found);
            if (passesUDP(net)) mustBeStraight(found.way);
          } finally {
            await studio.close();
            await viewer.close();
          }
        });
      });
    });
  }
}
