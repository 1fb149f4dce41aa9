// npm run lab [-- --only WORDS] [-- --if-possible]: builds networks of every kind on this machine and tries Heliograph in
// them. With --if-possible, a machine that has no such networks is no failure; with --check, nothing else is done than
// to look whether it has.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sweep, sweepOrphans } from './sweep.mjs';

const root = join(import.meta.dirname, '../..');

/** Why the laboratory cannot be built here; '' when it can. */
function lacking() {
  if (process.platform !== 'linux') return 'it is made of Linux network namespaces';
  if (process.getuid() !== 0) return 'it needs root, to make network namespaces (sudo npm run lab)';
  const sh = (command) => spawnSync('sh', ['-ec', command], { encoding: 'utf8' });
  for (const [program, where] of [['ip', 'iproute2'], ['iptables', 'iptables'], ['go', 'https://go.dev/dl']]) {
    if (sh(`command -v ${program}`).status !== 0) return `the program ${program} is not installed (${where})`;
  }
  if (sh(': <>/dev/net/tun').status !== 0) return '/dev/net/tun cannot be opened';
  const ns = `hglabprobe${process.pid}`;
  const made = sh(`ip netns add ${ns}; trap 'ip netns del ${ns}' EXIT; ip netns exec ${ns} iptables -t nat -A POSTROUTING -j MASQUERADE --random-fully`);
  return made.status === 0 ? '' : `network namespaces with NAT cannot be made here: ${made.stderr.trim().split('\n')[0]}`;
}

/** Takes `--name` out of the arguments, and the word after it if it has a value. */
function take(args, name, value = false) {
  const at = args.indexOf(name);
  if (at < 0) return undefined;
  const [, word] = args.splice(at, value ? 2 : 1);
  return value ? (word ?? '') : true;
}

const args = process.argv.slice(2);
const only = take(args, '--only', true);
const ifPossible = take(args, '--if-possible');

const check = take(args, '--check');

const why = lacking();
if (why) {
  console.log(`The laboratory ${ifPossible ? 'is left out' : 'cannot be built'}: ${why}.`);
  process.exit(ifPossible ? 0 : 1);
}
if (check) process.exit(0);

const folder = mkdtempSync(join(tmpdir(), 'heliograph-lab-'));
const netemu = join(folder, 'netemu');
const built = spawnSync('go', ['build', '-o', netemu, './e2e/lab/netemu'], { cwd: root, stdio: 'inherit', env: { ...process.env, CGO_ENABLED: '0' } });
if (built.status !== 0) {
  rmSync(folder, { recursive: true, force: true });
  process.exit(1);
}

sweepOrphans();
const child = spawn('playwright', ['test', '--config', import.meta.dirname, ...(only ? ['-g', only.replaceAll(' ', '.*')] : []), ...args], {
  stdio: 'inherit',
  env: { ...process.env, TMPDIR: folder, HELIOGRAPH_LAB_RUN: String(process.pid), HELIOGRAPH_LAB_FOLDER: folder, HELIOGRAPH_LAB_NETEMU: netemu },
});
// Ctrl-C reaches the child by itself and SIGTERM does not; this process stays to clear up after it in both cases.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => child.kill('SIGTERM'));
process.on('SIGHUP', () => child.kill('SIGTERM'));
const code = await new Promise((resolve) => {
  child.once('error', (error) => {
    console.log(error.message);
    resolve(1);
  });
  child.once('exit', (status) => resolve(status ?? 1));
});
sweep(process.pid);
rmSync(folder, { recursive: true, force: true });
process.exit(code);
