import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { making, type Media } from './encoder';

const folder = join(import.meta.dirname, '../.cache/clips');
const seconds = 30;

/** Makes the file of a test picture and tone, once, and returns its path. Sending it costs next to nothing. */
export function clip(m: Media): string {
  const file = join(folder, `${[m.video, m.audio, m.trait].filter(Boolean).join('-').replaceAll(':', '')}.mkv`);
  if (existsSync(file)) return file;
  mkdirSync(folder, { recursive: true });
  const part = `${file}.${process.pid}.mkv`;
  const made = spawnSync('ffmpeg', ['-y', '-nostdin', '-loglevel', 'error', ...making(m, false), '-t', String(seconds), part], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`ffmpeg could not make ${file}: ${made.error?.message ?? made.stderr}`);
  renameSync(part, file);
  return file;
}
