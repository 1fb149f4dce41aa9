import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Makes a program in the folder that runs `program` in a network namespace. */
export function wrap(ns: string, program: string, folder: string): string {
  const file = join(folder, `${ns}-${program.replaceAll('/', '_')}`);
  writeFileSync(file, `#!/bin/sh\nexec ip netns exec ${ns} ${program} "$@"\n`);
  chmodSync(file, 0o755);
  return file;
}
