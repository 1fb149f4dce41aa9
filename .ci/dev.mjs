// Develops the web app: the server on :8080 and Vite's server, which reloads
// on every change and passes what is not a file on. Ctrl-C ends both.
// Arguments go to `heliograph serve`.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

process.chdir(fileURLToPath(new URL('..', import.meta.url)));

for (const script of ['.ci/install', '.ci/build-go']) {
  const { status } = spawnSync(script, { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

const children = [
  spawn('bin/heliograph', ['serve', ...process.argv.slice(2)], { stdio: 'inherit' }),
  // Not through npm, which would die of a signal and leave Vite behind.
  spawn('../node_modules/.bin/vite', { cwd: 'frontend', stdio: 'inherit' }),
];

// Ctrl-C reaches the children by itself, as one group of the terminal; a
// second signal does no harm.
let stopping = false;
function stop() {
  stopping = true;
  for (const child of children) child.kill('SIGTERM');
}
process.on('SIGINT', stop);
process.on('SIGTERM', stop);
for (const child of children) {
  child.on('exit', (code) => {
    if (!stopping) process.exitCode = code ?? 1;
    stop();
  });
  child.on('error', (error) => {
    console.error(error.message);
    process.exitCode = 1;
    stop();
  });
}
