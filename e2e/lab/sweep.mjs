// Removes what a run of the laboratory has made: every network namespace with its name, and the programs inside.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';

const run = (program, ...args) => spawnSync(program, args, { encoding: 'utf8' });

/** What all names of a run begin with. */
export const prefix = (pid) => `hglab${pid}-`;

const namespaces = () => run('ip', 'netns', 'list').stdout.split('\n').map((line) => line.split(' ')[0]).filter(Boolean);

/** Removes the namespaces of one run. Devices, filters and routes go with their namespace. */
export function sweep(pid) {
  const own = namespaces().filter((name) => name.startsWith(prefix(pid)));
  for (const name of own) {
    const inside = run('ip', 'netns', 'pids', name).stdout.split('\n').filter(Boolean).map(Number);
    for (const program of inside) {
      try {
        process.kill(program, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
  }
  for (const name of own) run('ip', 'netns', 'del', name);
}

/** Removes what runs have left that were killed before they could. */
export function sweepOrphans() {
  const pids = new Set(namespaces().map((name) => /^hglab(\d+)-/.exec(name)?.[1]).filter(Boolean));
  for (const pid of pids) if (!lives(pid)) sweep(pid);
}

/** Whether a process is a run of the laboratory; its number may have gone to another program since. */
function lives(pid) {
  const file = `/proc/${pid}/cmdline`;
  return existsSync(file) && readFileSync(file, 'utf8').includes('lab/run.mjs');
}
