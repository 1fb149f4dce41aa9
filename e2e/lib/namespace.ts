import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * Makes a program in the folder that runs `program` in a network namespace. What `first` mounts, a command of the shell,
 * only the program sees.
 */
export function wrap(ns: string, program: string, folder: string, first = ':'): string {
  const file = join(folder, `${ns}-${program.replaceAll('/', '_')}`);
  writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${ns} sh -ec '${first}; exec ${program} "$@"' sh "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
