// Checks that bin/heliograph asks for no loader and no shared library, so that
// it runs in an empty image. Reads the program headers of the ELF file (System
// V ABI, chapter 5); elsewhere than on Linux there is nothing to check.
import { readFileSync } from 'node:fs';

const dynamic = 2; // PT_DYNAMIC
const interpreter = 3; // PT_INTERP

const file = readFileSync(new URL('../bin/heliograph', import.meta.url));
if (process.platform !== 'linux') process.exit(0);
if (file.toString('latin1', 0, 4) !== '\x7fELF' || file[4] !== 2 || file[5] !== 1) {
  console.error('bin/heliograph is no 64-bit little-endian ELF file');
  process.exit(1);
}
const offset = Number(file.readBigUInt64LE(32));
const size = file.readUInt16LE(54);
const count = file.readUInt16LE(56);
const types = Array.from({ length: count }, (_, i) => file.readUInt32LE(offset + i * size));
if (types.includes(interpreter) || types.includes(dynamic)) {
  console.error('bin/heliograph is linked dynamically: something needs cgo');
  process.exit(1);
}
console.log(`static, ${(file.length / 1e6).toFixed(1)} MB`);
