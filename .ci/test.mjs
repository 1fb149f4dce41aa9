// Runs everything a change must pass, or the steps named as arguments and what
// they need. Each step says what it runs and how long it took; the last line
// counts the tests, and a step that counts none as one.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { steps } from './steps.mjs';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
mkdirSync('bin/results', { recursive: true });

/** The steps with these names and all that they need, in the table's order. */
function select(names) {
  const wanted = new Set();
  const add = (name) => {
    const step = steps.find((s) => s.name === name);
    if (!step) {
      console.error(`there is no step ${name}; the steps are: ${steps.map((s) => s.name).join(', ')}`);
      process.exit(2);
    }
    wanted.add(step);
    step.needs?.forEach(add);
  };
  names.forEach(add);
  return steps.filter((step) => (names.length > 0 ? wanted.has(step) : !step.asked));
}

/** Runs one step and returns its row of the summary. */
function perform(step, failed) {
  const blocked = step.needs?.find((name) => failed.has(name));
  console.log(`\n== ${step.name}: ${step.run.join(' ')}`);
  if (blocked) {
    console.log(`not run, because ${blocked} failed`);
    return { name: step.name, seconds: 0, ok: false, passed: 0, failed: 1 };
  }
  step.prepare?.();
  const begin = performance.now();
  const [program, ...args] = step.run;
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...step.env } });
  if (error) console.log(error.message);
  const seconds = (performance.now() - begin) / 1000;
  const ok = status === 0;
  const count = step.count?.() ?? { passed: ok ? 1 : 0, failed: ok ? 0 : 1 };
  // A step may fail with all its tests passed: a crash, a race outside a test.
  if (!ok && count.failed === 0) count.failed = 1;
  console.log(`-- ${step.name}: ${ok ? 'passed' : 'FAILED'} in ${seconds.toFixed(1)} s`);
  return { name: step.name, seconds, ok, ...count };
}

const failed = new Set();
const rows = select(process.argv.slice(2)).map((step) => {
  const row = perform(step, failed);
  if (!row.ok) failed.add(row.name);
  return row;
});

console.log('\n== summary');
for (const { name, seconds, ok, passed, failed: bad, told } of rows) {
  console.log(`${ok ? 'passed' : 'FAILED'}  ${name.padEnd(14)} ${seconds.toFixed(1).padStart(7)} s  ${passed} passed, ${bad} failed`);
  told?.forEach((line) => console.log(`        ${line}`));
}
const sum = (key) => rows.reduce((total, row) => total + row[key], 0);
console.log(`${sum('passed')} passed, ${sum('failed')} failed`);
process.exitCode = failed.size > 0 ? 1 : 0;
