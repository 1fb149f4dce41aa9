/**
 * Being on air through a reload of the page: what was on air is written down as the page goes, and read once by the
 * page that comes. Only then, so that neither a copied tab nor one of yesterday goes on air by itself.
 */

import { keepInTab, tabItem } from './tab';
import type { CodecChoice, GoLive, PresetName } from './types';

export interface Interrupted extends GoLive {
  preset: PresetName;
  codec: CodecChoice;
  /** The devices in use; null sends nothing of the kind after the reload either. */
  camera: string | null;
  microphone: string | null;
  /** When the page went, ms since 1970 by this machine's clock. */
  at: number;
}

const key = 'onair';
/** The server keeps the place of a lost publisher about this long, ms. */
const freshFor = 12_000;

export function keepForReload(i: Interrupted): void {
  keepInTab(key, JSON.stringify(i));
}

/** What was on air until this load of the page, once; null when there was nothing or it is too long ago. */
export function takeAfterReload(): Interrupted | null {
  const kept = tabItem(key);
  keepInTab(key, null);
  const i = kept === null ? null : read(kept);
  return i && isFresh(i) ? i : null;
}

export function isFresh(i: Interrupted): boolean {
  return Date.now() - i.at < freshFor;
}

/** Calls fn when the page goes away or is reloaded. Returns the end of it. */
export function onPageHide(fn: () => void): () => void {
  globalThis.addEventListener?.('pagehide', fn);
  return () => globalThis.removeEventListener?.('pagehide', fn);
}

// It was written by this page, perhaps by an older version of it.
function read(text: string): Interrupted | null {
  try {
    const i = JSON.parse(text) as Partial<Interrupted> | null;
    const whole = [i?.stream, i?.title, i?.preset, i?.codec].every((v) => typeof v === 'string') && typeof i?.at === 'number';
    return whole ? (i as Interrupted) : null;
  } catch {
    return null;
  }
}
