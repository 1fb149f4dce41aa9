import { goLive, keepsDecoding, openStream, openStudio, picture } from './app';
import { moments, type Relay, way } from './page';
import type { Tab } from './person';
import type { Found } from './rows';
import { harbour } from './world';

/** What a row is about: somebody views or publishes, and how well that goes is found out. */

/** A first picture in a tab, and the way it takes. */
export async function views(tab: Tab, url: string, found: Found): Promise<void> {
  await openStream(tab, url, harbour);
  found.ms = (await picture(tab)) - (await moments(tab)).clicked;
  await keepsDecoding(tab);
  found.way = await way(tab);
}

/** A stream that goes live in one tab and is watched in another. */
export async function publishes(studio: Tab, viewer: Tab, at: { url: string; watchUrl: string; stream: string }, found: Found): Promise<void> {
  await viewer.goto(`${at.watchUrl}/watch/${at.stream}`);
  await openStudio(studio, at.url);
  await goLive(studio, at.stream);
  found.ms = (await picture(viewer, studio)) - (await moments(studio)).clicked;
  await keepsDecoding(viewer);
  found.way = await way(studio);
}

/** Where UDP passes, media by TCP would play as well and be worse; nobody would notice. */
export function mustBeStraight(found: string): void {
  if (!/^(host|srflx|prflx)\/udp/.test(found)) throw new Error(`it plays, but media take ${found || 'an unknown way'} where UDP passes`);
}

/** Where the way to the relay is what the row is about. */
export function mustBeRelayed(found: string, by: Relay): void {
  if (!found.startsWith(`relay (${by})`)) throw new Error(`it plays, but media take ${found || 'an unknown way'} instead of a relay by ${by}`);
}
