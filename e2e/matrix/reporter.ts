import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter';
import { type Cell, froms, rows, type To, tos } from './plan';

const file = join(import.meta.dirname, '../results/matrix.md');
const ways = Object.keys(tos) as To[];

/** Prints the matrix, and writes it as Markdown. */
export default class Matrix implements Reporter {
  readonly #cells: Cell[] = [];
  readonly #begin = Date.now();

  printsToStdio(): boolean {
    return true;
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    const body = result.attachments.find((a) => a.name === 'cells')?.body;
    const cells = body ? (JSON.parse(body.toString()) as Cell[]) : this.#crashed(test, result);
    this.#cells.push(...cells);
    const [first] = cells;
    if (first) console.log(`${froms[first.from].padEnd(8)} ${first.source.padEnd(10)} ${cells.map((c) => `${tos[c.to]} ${c.verdict}`).join(' · ')}  (${(result.duration / 1000).toFixed(0)} s)`);
  }

  onError(error: { message?: string }): void {
    console.log(error.message);
  }

  onEnd(result: FullResult): void {
    const notes: string[] = [];
    const table = rows
      .filter((r) => this.#cells.some((c) => c.from === r.from && c.source === r.name))
      .map((r) => [froms[r.from], r.name, ...ways.map((to) => this.#mark(r.from, r.name, to, notes))]);
    const head = ['from', 'media', ...ways.map((to) => tos[to])];
    console.log(`\n${plain([head, ...table])}\n${notes.map((n, i) => `[${i + 1}] ${n}`).join('\n')}`);
    const failed = this.#cells.filter((c) => c.verdict === 'FAILS').length;
    const counts = ['plays', 'says why', 'n/a', 'FAILS'].map((v) => `${this.#cells.filter((c) => c.verdict === v).length} ${v}`).join(', ');
    console.log(`\n${counts}; ${((Date.now() - this.#begin) / 1000).toFixed(0)} s; ${result.status}`);
    mkdirSync(join(file, '..'), { recursive: true });
    writeFileSync(file, markdown(head, table, notes));
    console.log(`as Markdown: ${file}`);
    if (failed === 0 && result.status !== 'passed') console.log('no cell fails, but the run did: see above');
  }

  #crashed(test: TestCase, result: TestResult): Cell[] {
    const row = rows.find((r) => test.title === `${r.from} ${r.name}`);
    const why = result.error?.message?.split('\n')[0] ?? result.status;
    return row ? ways.map((to) => ({ from: row.from, source: row.name, to, verdict: 'FAILS', why, got: '' })) : [];
  }

  /** What stands in a cell; a reason is a note below the table. */
  #mark(from: string, source: string, to: To, notes: string[]): string {
    const cell = this.#cells.findLast((c) => c.from === from && c.source === source && c.to === to);
    if (!cell) return '';
    if (cell.why === '') return cell.verdict;
    if (!notes.includes(cell.why)) notes.push(cell.why);
    return `${cell.verdict} [${notes.indexOf(cell.why) + 1}]`;
  }
}

function plain(table: string[][]): string {
  const widths = (table[0] ?? []).map((_, i) => Math.max(...table.map((r) => r[i]?.length ?? 0)));
  return table.map((r) => r.map((c, i) => c.padEnd(widths[i] ?? 0)).join('  ').trimEnd()).join('\n');
}

function markdown(head: string[], table: string[][], notes: string[]): string {
  const line = (cells: string[]) => `| ${cells.join(' | ')} |\n`;
  const body = table.map((r) => line(r.map((c) => c.replace(/\[(\d+)\]/, '<sup>$1</sup>')))).join('');
  return `${line(head)}${line(head.map(() => '---'))}${body}\n${notes.map((n, i) => `${i + 1}. ${n}\n`).join('')}`;
}
