// Weighs what a browser loads before it shows anything: the scripts and styles
// that index.html names. A lazy chunk is not among them.
import { readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const budget = 60_000; // bytes of gzip

const dist = new URL('../frontend/dist/', import.meta.url);
const html = readFileSync(new URL('index.html', dist), 'utf8');
const names = [...html.matchAll(/<(?:script|link)\b[^>]*?(?:src|href)="\/?([^"]+\.(?:js|css))"/g)].map((match) => match[1]);
if (!names.some((name) => name.endsWith('.js'))) {
  console.error('frontend/dist/index.html names no script: was the web app built?');
  process.exit(1);
}

let total = 0;
for (const name of names) {
  const size = gzipSync(readFileSync(new URL(name, dist)), { level: 9 }).length;
  total += size;
  console.log(`${String(size).padStart(8)}  ${name}`);
}
console.log(`${String(total).padStart(8)}  of ${budget} bytes of gzip`);
process.exit(total > budget ? 1 : 0);
