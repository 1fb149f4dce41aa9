import { goLive, keepsDecoding, openStream, openStudio, picture } from './app';
import type { Site } from './internet';
import type { Nat } from './nats';
import { moments, way } from './page';
import { type BrowserName, browsers, type Person, person } from './person';
import { fill } from './rows';
import { harbour, test } from './world';

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
            await openStream(tab, world.url, harbour);
            found.ms = (await picture(tab)) - (await moments(tab)).clicked;
            await keepsDecoding(tab);
            found.way = await way(tab);
            requireUDP(net, found.way);
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
            await viewer.goto(`${world.url}/watch/${stream}`);
            await openStudio(studio, world.url);
            await goLive(studio, stream);
            found.ms = (await picture(viewer, studio)) - (await moments(studio)).clicked;
            await keepsDecoding(viewer);
            found.way = await way(studio);
            requireUDP(net, found.way);
          } finally {
            await studio.close();
            await viewer.close();
          }
        });
      });
    });
  }
}

/** Where UDP passes, media by TCP would play as well and be worse; nobody would notice. */
function requireUDP(net: string, found: string): void {
  if (passesUDP(net) && !/^(host|srflx|prflx)\/udp/.test(found)) throw new Error(`it plays, but media take ${found || 'an unknown way'} where UDP passes`);
}
