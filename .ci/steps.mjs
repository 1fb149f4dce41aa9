// The steps of `npm test`, in their order. A step is a command; `needs` names
// steps without which it cannot pass, and `count` reads how many tests it ran and
// what is to be told of them.
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { stripVTControlCharacters } from 'node:util';

const results = (name) => `bin/results/${name}.json`;

/** Adds up what vitest's and Playwright's JSON reporters write. */
function counted(name, read) {
  const file = results(name);
  return {
    prepare: () => rmSync(file, { force: true }),
    count: () => (existsSync(file) ? read(JSON.parse(readFileSync(file, 'utf8'))) : undefined),
  };
}

/** The tests that Playwright's JSON report says did not pass at once, each with its first error: failed, or flaky if a second try passed. */
function unsteady(report) {
  const found = [];
  const walk = (suite) => {
    suite.suites?.forEach(walk);
    for (const spec of suite.specs ?? []) {
      for (const { status, results } of spec.tests) {
        if (status !== 'unexpected' && status !== 'flaky') continue;
        const message = results.find((r) => r.error)?.error.message ?? '';
        found.push(`${status === 'flaky' ? 'flaky' : 'failed'}: ${spec.file}:${spec.line} ${spec.title}: ${plain(message)}`);
      }
    }
  };
  report.suites.forEach(walk);
  return found;
}

/** The beginning of a message on one line, without colours. */
const plain = (message) => stripVTControlCharacters(message).split(/\s+/).join(' ').slice(0, 300);

export const steps = [
  { name: 'tools', run: ['node', '.ci/tools.mjs'] },
  { name: 'ffmpeg', run: ['.ci/install-ffmpeg'] },
  { name: 'install', run: ['.ci/install'] },
  { name: 'modules', run: ['.ci/fetch-go'] },
  { name: 'gofmt', run: ['.ci/gofmt'] },
  { name: 'web', run: ['.ci/build-web'], needs: ['install'] },
  { name: 'size', run: ['node', '.ci/check-size.mjs'], needs: ['web'] },
  { name: 'build', run: ['.ci/build-go'], needs: ['modules'] },
  { name: 'static', run: ['node', '.ci/check-static.mjs'], needs: ['build'] },
  { name: 'vet', run: ['go', 'vet', './...'], needs: ['modules'] },
  { name: 'golangci-lint', run: ['.ci/golangci-lint'], needs: ['modules'] },
  { name: 'go-test', run: ['node', '.ci/go-test.mjs', results('go-test')], needs: ['modules', 'web'], ...counted('go-test', (r) => r) },
  { name: 'svelte-check', run: ['npm', 'run', 'check', '--workspace', 'frontend'], needs: ['install'] },
  {
    name: 'vitest',
    run: ['npm', 'test', '--workspace', 'frontend', '--', '--reporter=default', '--reporter=json', `--outputFile=../${results('vitest')}`],
    needs: ['install'],
    ...counted('vitest', (r) => ({ passed: r.numPassedTests, failed: r.numFailedTests })),
  },
  { name: 'e2e-check', run: ['npm', 'run', 'check', '--workspace', 'e2e'], needs: ['install'] },
  {
    name: 'e2e',
    run: ['npm', 'test', '--workspace', 'e2e', '--', '--reporter=list,json'],
    env: { PLAYWRIGHT_JSON_OUTPUT_FILE: resolve(results('e2e')) },
    needs: ['tools', 'install', 'web', 'build'],
    ...counted('e2e', (r) => ({ passed: r.stats.expected + r.stats.flaky, failed: r.stats.unexpected, told: unsteady(r) })),
  },
  // The rows of the laboratory that show each kind of way once, where a laboratory can be built: 2 to 3 minutes.
  {
    name: 'lab',
    run: ['npm', 'run', 'lab', '--workspace', 'e2e', '--', '--if-possible', '--only', '@ci'],
    env: { HELIOGRAPH_LAB_RESULTS: resolve(results('lab')) },
    needs: ['tools', 'install', 'web', 'build'],
    ...counted('lab', (r) => ({ ...r, told: r.rows.filter((w) => w.verdict === 'FAILS').map((w) => `failed: ${w.net} ${w.browser} ${w.does}: ${w.why}`) })),
  },
  // Takes minutes, and brings a large package that only it needs.
  {
    name: 'matrix',
    run: ['npm', 'run', 'matrix', '--workspace', 'e2e'],
    needs: ['tools', 'install', 'web', 'build'],
    asked: true,
  },
  // Not a test: makes the pictures of every page, when asked for by name.
  {
    name: 'screenshots',
    run: ['npm', 'run', 'screenshots', '--workspace', 'e2e'],
    needs: ['tools', 'install', 'web', 'build'],
    asked: true,
  },
];
