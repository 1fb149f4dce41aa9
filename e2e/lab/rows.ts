import type { TestInfo } from '@playwright/test';
import type { BrowserName } from './person';

/** What one row of a table says. */
export interface Row {
  table: 'matrix' | 'more';
  /** The network, or what happens to it. */
  net: string;
  browser: BrowserName;
  does: 'publish' | 'view';
  verdict: 'plays' | 'FAILS';
  /** The selected pair of candidates. */
  way: string;
  /** Time to the picture (ms): from the click, or from the network's return. */
  ms: number | null;
  /** What that should be at most (ms). A busy machine misses it, so missing it is shown and is no failure. */
  goal: number | null;
  why: string;
}

/** Hands a row to the reporter. */
export async function tell(info: TestInfo, row: Row): Promise<void> {
  await info.attach('row', { body: JSON.stringify(row), contentType: 'application/json' });
}

/** Fills in a row; whatever goes wrong on the way is its reason. */
export async function fill(info: TestInfo, row: Pick<Row, 'table' | 'net' | 'browser' | 'does' | 'goal'>, work: (found: { way: string; ms: number | null }) => Promise<void>): Promise<void> {
  const found = { way: '', ms: null };
  try {
    await work(found);
    await tell(info, { ...row, ...found, verdict: 'plays', why: '' });
  } catch (e) {
    const why = (e instanceof Error ? e.message : String(e)).split('\n')[0] ?? '';
    await tell(info, { ...row, ...found, verdict: 'FAILS', why });
  }
}
