// Runs the Go tests under the race detector: a line for each package, the
// whole output of what failed, and the counts and failures of top-level tests as
// JSON in the file named by the first argument. Other arguments replace `./...`.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const [file, ...patterns] = process.argv.slice(2);
const args = ['test', '-race', '-json', ...(patterns.length > 0 ? patterns : ['./...'])];
const go = spawn('go', args, { stdio: ['ignore', 'pipe', 'inherit'] });

const total = { passed: 0, failed: 0, told: [] };
const output = new Map(); // what a test or a package printed, until it ends

/** Takes one event of `go doc test2json`, and of the build's own output. */
function take(event) {
  const key = `${event.Package ?? event.ImportPath} ${event.Test ?? ''}`;
  if (event.Action === 'output' || event.Action === 'build-output') {
    output.set(key, (output.get(key) ?? '') + event.Output);
    if (event.Action === 'build-output') process.stdout.write(event.Output);
    return;
  }
  if (!['pass', 'fail', 'skip'].includes(event.Action)) return;
  const text = output.get(key) ?? '';
  output.delete(key);
  if (event.Action === 'fail' || (!event.Test && event.Action === 'pass')) {
    process.stdout.write(event.Action === 'fail' ? text : text.replace(/^PASS\n/, ''));
  }
  if (event.Test && !event.Test.includes('/')) {
    if (event.Action === 'pass') total.passed++;
    if (event.Action === 'fail') {
      total.failed++;
      total.told.push(`failed: ${event.Package} ${event.Test}`);
    }
  }
  if (event.Test && event.Action === 'skip') {
    const [, reason = 'no reason given'] = /_test\.go:\d+: (.*)/.exec(text) ?? [];
    console.log(`skipped: ${event.Package} ${event.Test}: ${reason}`);
  }
}

for await (const line of createInterface({ input: go.stdout })) {
  try {
    take(JSON.parse(line));
  } catch {
    console.log(line);
  }
}
if (go.exitCode === null) await new Promise((resolve) => go.once('exit', resolve));
writeFileSync(file, JSON.stringify(total));
process.exit(go.exitCode ?? 1);
