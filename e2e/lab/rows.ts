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
  /** What that should be at most (ms). A busy machine misses it, so missing it is shown and is no failure by itself. */
  goal: number | null;
  /** What else was measured. */
  figures: string;
  why: string;
}

/** What the work on a row finds out. */
export type Found = Pick<Row, 'way' | 'ms' | 'figures'>;

/** Hands a row to the reporter. */
async function tell(info: TestInfo, row: Row): Promise<void> {
  await info.attach('row', { body: JSON.stringify(row), contentType: 'application/json' });
}

/** What is known of a row before the work on it. */
export interface Plan extends Pick<Row, 'table' | 'net' | 'browser' | 'does' | 'goal'> {
  /** A time (ms) that not even a busy machine excuses. */
  limit?: number;
}

/** Fills in a row; whatever goes wrong on the way is its reason. */
export async function fill(info: TestInfo, { limit, ...row }: Plan, work: (found: Found) => Promise<void>): Promise<void> {
  const found: Found = { way: '', ms: null, figures: '' };
  try {
    await work(found);
    if (limit && found.ms !== null && found.ms > limit) throw new Error(`the picture is back, but too late: ${limit / 1000} s are the limit even for a busy machine`);
    await tell(info, { ...row, ...found, verdict: 'plays', why: '' });
  } catch (e) {
    if (info.retry < info.project.retries) throw e; // another try follows, whose row counts
    const why = (e instanceof Error ? e.message : String(e)).split('\n')[0] ?? '';
    await tell(info, { ...row, ...found, verdict: 'FAILS', why });
  }
}
