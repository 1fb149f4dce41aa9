import { trust } from './certificates';
import { mustBeRelayed, publishes, views } from './does';
import type { Site } from './internet';
import type { Nat } from './nats';
import type { Relay } from './page';
import { type BrowserName, browsers, type Person, person, type Tab } from './person';
import { fill, type Found } from './rows';
import { type Secure, test, type World } from './world';

/** Somebody behind a router, who trusts the server's certificate and reaches the server by its name. */
async function settle(world: World, secure: Secure, kind: Nat, browser: BrowserName): Promise<{ site: Site; someone: Person }> {
  const site = await world.internet.site(kind);
  trust(site.client);
  site.client.knows({ [secure.name]: secure.address });
  return { site, someone: await person(browser, site.client, secure.url) };
}

/** The row of a stream that goes live by the relay and is watched from elsewhere, without one. */
async function publishesFrom(studio: Tab, by: Relay, at: { secure: Secure; stream: string }, found: Found): Promise<void> {
  const { secure, stream } = at;
  const viewer = await secure.elsewhere.tab();
  try {
    await publishes(studio, viewer, { url: secure.url, watchUrl: `https://${secure.address}`, stream }, found);
    mustBeRelayed(found.way, by);
  } finally {
    await studio.close();
    await viewer.close();
  }
}

for (const browser of browsers) {
  test.describe(`relay ${browser}`, () => {
    let site: Site;
    let someone: Person;
    test.beforeAll(async ({ world, secure }) => {
      ({ site, someone } = await settle(world, secure, 'port-restricted', browser));
    });
    test.afterAll(async () => {
      await someone?.close();
      site?.close();
    });

    for (const by of ['udp', 'tcp', 'tls'] as const) {
      const row = { table: 'more', net: `relay by ${by.toUpperCase()}`, browser, goal: 1000 } as const;
      test(`by ${by.toUpperCase()} view`, async ({ secure }, info) => {
        await fill(info, { ...row, does: 'view' }, async (found) => {
          const tab = await someone.tab(by);
          try {
            await views(tab, secure.url, found);
            mustBeRelayed(found.way, by);
          } finally {
            await tab.close();
          }
        });
      });

      test(`by ${by.toUpperCase()} publish`, async ({ secure }, info) => {
        await fill(info, { ...row, does: 'publish' }, async (found) => {
          await publishesFrom(await someone.tab(by), by, { secure, stream: `${by}-${browser.toLowerCase()}` }, found);
        });
      });
    }
  });

  test(`only TLS ${browser}`, async ({ world, secure }, info) => {
    const { site, someone } = await settle(world, secure, 'only TLS on 443', browser);
    const row = { table: 'more', net: 'only TLS on 443', browser } as const;
    try {
      await fill(info, { ...row, does: 'view', goal: 3000 }, async (found) => {
        const tab = await someone.tab();
        await views(tab, secure.url, found);
        mustBeRelayed(found.way, 'tls');
        await tab.close();
      });
      await fill(info, { ...row, does: 'publish', goal: 3000 }, async (found) => {
        await publishesFrom(await someone.tab(), 'tls', { secure, stream: `only-tls-${browser.toLowerCase()}` }, found);
      });
    } finally {
      await someone.close();
      site.close();
    }
  });
}
