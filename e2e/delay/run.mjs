// npm run delay [-- --minutes N] [-- -g RTMP]: prints delays; with --minutes, those of one stream minute by minute.
import { spawnSync } from 'node:child_process';

const args = process.argv.slice(2);
const at = args.indexOf('--minutes');
const [, minutes] = at < 0 ? [] : args.splice(at, 2);
const env = { ...process.env, ...(minutes ? { HELIOGRAPH_MINUTES: minutes } : {}) };
const { status } = spawnSync('playwright', ['test', '--config', import.meta.dirname, ...args], { stdio: 'inherit', env });
process.exit(status ?? 1);
