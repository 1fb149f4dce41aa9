import { spawnSync } from 'node:child_process';
import { lacks } from '../lib/encoder';
import { clip } from '../lib/clips';
import { rows } from './plan';

/** Sees to what all rows need: the newer FFmpeg, and the clips, made before anything is timed. */
export default function prepare(): void {
  const missing = lacks('ffmpeg');
  if (missing) throw new Error(missing);
  const got = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: import.meta.dirname, encoding: 'utf8' });
  if (got.status !== 0) console.log(`node-av could not be installed, so what only FFmpeg 8 can do is left out:\n${got.stderr}`);
  for (const row of rows) if (row.from !== 'whip') clip(row.media);
}
