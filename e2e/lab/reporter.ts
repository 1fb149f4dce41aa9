import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FullConfig, FullResult, Reporter, Suite, TestCase, TestResult } from '@playwright/test/reporter';
import type { Row } from './rows';

const file = process.env['HELIOGRAPH_LAB_RESULTS'] ?? join(import.meta.dirname, '../results/lab.json');

/** Prints each row when it is there and all of them in tables at the end, and writes them as JSON. */
export default class Tables implements Reporter {
  readonly #rows: Row[] = [];
  readonly #begin = Date.now();
  #planned = 0;
  #other = 0;

  printsToStdio(): boolean {
    return true;
  }

  onBegin(_: FullConfig, suite: Suite): void {
    this.#planned = suite.allTests().filter((t) => t.titlePath().join(' ').includes('matrix ')).length;
  }

  onStdOut(chunk: string | Buffer): void {
    process.stdout.write(chunk);
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status !== 'passed' && result.status !== 'skipped' && result.retry < test.retries) {
      console.log(`${test.titlePath().slice(3).join(' ')}: once more, after: ${result.error?.message?.split('\n')[0] ?? result.status}`);
      return;
    }
    const told = result.attachments.filter((a) => a.name === 'row').map((a) => JSON.parse(String(a.body)) as Row);
    for (const row of told) {
      this.#rows.push(row);
      console.log([...line(row), note(row)].join('  '));
    }
    if (result.status === 'passed' || result.status === 'skipped') return;
    this.#other++;
    console.log(`${test.titlePath().slice(3).join(' ')}: ${result.status}: ${result.error?.message ?? ''}`);
  }

  onError(error: { message?: string }): void {
    console.log(error.message);
  }

  async onEnd(result: FullResult): Promise<{ status: FullResult['status'] }> {
    for (const table of ['matrix', 'more'] as const) {
      const rows = this.#rows.filter((r) => r.table === table);
      const notes = rows.map(note).filter(Boolean);
      const marked = rows.map((r) => [...line(r), note(r) && `[${notes.indexOf(note(r)) + 1}]`]);
      if (rows.length > 0) console.log(`\n${aligned([['network', 'browser', 'does', 'verdict', 'way', 'picture', 'goal', ''], ...marked])}`);
      for (const [i, n] of notes.entries()) console.log(`[${i + 1}] ${n}`);
    }
    const failed = this.#rows.filter((r) => r.verdict === 'FAILS').length + this.#other;
    const matrix = this.#rows.filter((r) => r.table === 'matrix');
    const play = matrix.filter((r) => r.verdict === 'plays').length;
    if (this.#planned > 0) console.log(`\nmatrix: ${play} of ${this.#planned}`);
    const passed = this.#rows.length - failed + this.#other;
    console.log(`${this.#rows.length} rows, ${failed} failed, ${((Date.now() - this.#begin) / 1000).toFixed(0)} s`);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, JSON.stringify({ matrix: `${play} of ${this.#planned}`, passed, failed, rows: this.#rows }, null, 2));
    console.log(`as JSON: ${file}`);
    return { status: failed > 0 && result.status === 'passed' ? 'failed' : result.status };
  }
}

/** One row's cells. */
function line(r: Row): string[] {
  const time = r.ms === null ? '–' : `${(r.ms / 1000).toFixed(2)} s`;
  const goal = r.goal === null ? '' : `≤ ${r.goal / 1000} s${r.ms !== null && r.ms > r.goal ? ' missed' : ''}`;
  return [r.net, r.browser, r.does, r.verdict, r.way || '–', time, goal];
}

/** What does not fit into cells. */
const note = (r: Row) => [r.figures, r.why].filter(Boolean).join('; ');

function aligned(table: string[][]): string {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((r) => r[i]?.length ?? 0)));
  return table.map((r) => r.map((c, i) => c.padEnd(widths[i] ?? 0)).join('  ').trimEnd()).join('\n');
}
