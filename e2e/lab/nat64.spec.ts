import { publishes, views } from './does';
import { inSix } from './nat64';
import { browsers, person } from './person';
import { fill } from './rows';
import { test } from './world';

const name = 'heliograph.test';
const url = `http://${name}:443`;

for (const browser of browsers) {
  test(`NAT64 ${browser}`, async ({ world }, info) => {
    const there = world.internet.machine(`four-${browser}`);
    there.host.run('echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6');
    const { server, encoder } = await world.serve(there.host, 443, []);
    const site = await world.internet.site('NAT64');
    site.client.knows({ [name]: inSix(there.address) });
    const someone = await person(browser, site.client, url);
    const row = { table: 'more', net: 'IPv6 only, server IPv4', browser, goal: 3000 } as const;
    try {
      await fill(info, { ...row, does: 'view' }, async (found) => {
        const tab = await someone.tab();
        await views(tab, url, found);
        await tab.close();
      });
      await fill(info, { ...row, does: 'publish' }, async (found) => {
        const viewer = await world.elsewhere.tab();
        try {
          await publishes(await someone.tab(), viewer, { url, watchUrl: `http://${there.address}:443`, stream: 'translated' }, found);
        } finally {
          await viewer.close();
        }
      });
    } finally {
      await someone.close();
      await encoder.stop();
      await server.stop();
      site.close();
    }
  });
}
