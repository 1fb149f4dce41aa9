import { expect } from '@playwright/test';
import { mustBeStraight, publishes, views } from './does';
import type { Internet } from './internet';
import { type BrowserName, person } from './person';
import { fill } from './rows';
import { test } from './world';

/** Browsers take no address for one of a server that is private and has port 443. */
const port = 8080;
/** The number of a port that is published under another. */
const published = 9000;

type Place = ReturnType<Internet['oneToOne']>;

/** Where a server has addresses that its clients do not come by. */
interface Case {
  net: string;
  /** Of the machines and the stream. */
  name: string;
  place: (internet: Internet, name: string) => Place;
  /** The number that clients come by. */
  number: number;
  flags: (place: Place, stun: string) => string[];
  /** The server knows where it is, and then it has no excuse for less than the straight way. */
  knows: boolean;
  /** What the server's log must say. */
  said: string;
  does: readonly (readonly [BrowserName, 'view' | 'publish'])[];
}

const everything = [
  ['Chromium', 'view'],
  ['Chromium', 'publish'],
  ['Firefox', 'view'],
] as const;
const picture = [['Chromium', 'view']] as const;

const cloud = (internet: Internet, name: string) => internet.oneToOne(name);
const other = (internet: Internet, name: string) => internet.bridged(name, port, published);

const cases: Case[] = [
  {
    net: '1:1 NAT, --stun', name: 'stun', place: cloud, number: port, knows: true, does: everything,
    flags: (_, stun) => ['--stun', stun], said: 'self-test: STUN: the world sees this server as ',
  },
  {
    net: '1:1 NAT, not told', name: 'unstunned', place: cloud, number: port, knows: false, does: picture,
    flags: () => [], said: 'or a STUN server that finds it out with --stun',
  },
  {
    net: 'container, --stun', name: 'boxstun', place: (internet, name) => internet.bridged(name, port), number: port, knows: true, does: picture,
    flags: (_, stun) => ['--stun', stun], said: 'self-test: STUN: the world sees this server as ',
  },
  {
    net: 'container as 9000', name: 'nine', place: other, number: published, knows: true, does: everything,
    flags: (place) => ['--public-host', `${place.address}:${published}`], said: `:${published}`,
  },
  {
    net: 'the same, not told', name: 'unnined', place: other, number: published, knows: false, does: picture,
    flags: () => [], said: 'or a STUN server that finds it out with --stun',
  },
];

for (const c of cases) {
  test(`cloud ${c.net}`, { tag: c.name === 'stun' ? '@ci' : [] }, async ({ world }, info) => {
    const place = c.place(world.internet, c.name);
    const site = await world.internet.site('port-restricted');
    // The laboratory's first server is the STUN server of the others.
    const { server, encoder } = await world.serve(place.inner, port, c.flags(place, new URL(world.url).hostname + ':443'));
    const url = `http://${place.address}:${c.number}`;
    try {
      for (const [browser, does] of c.does) {
        const someone = await person(browser, site.client, url);
        try {
          const goal = does === 'publish' ? null : c.knows ? 700 : 3000;
          await fill(info, { table: 'more', net: c.net, browser, does, goal }, async (found) => {
            const tab = await someone.tab();
            if (does === 'view') await views(tab, url, found);
            else await publishes(tab, await someone.tab(), { url, watchUrl: url, stream: c.name }, found);
            if (c.knows) mustBeStraight(found.way);
          });
        } finally {
          await someone.close();
        }
      }
      await expect.poll(() => server.log, { timeout: 10_000 }).toContain(c.said);
    } finally {
      await encoder.stop();
      await server.stop();
      site.close();
      place.close();
    }
  });
}
