// What a picture with a burnt-in clock looks like, and the sound that goes with it.

export const width = 640;
export const height = 360;
export const rate = 48_000;

/** Bars at the top: 24 bits of time (ms, Gray code), 8 bits that check them. */
export const bars = 32;
export const barWidth = width / bars;
export const barHeight = 32;

/** How long the beep at the begin of each second is (ms). */
export const beep = 100;

const gray = (v) => v ^ (v >>> 1);

/** The bits of a time: one bar each, the highest first. */
export function bits(ms) {
  const value = gray(ms % 2 ** 24);
  const check = (value ^ (value >>> 8) ^ (value >>> 16) ^ 0xa5) & 0xff;
  return Array.from({ length: bars }, (_, i) => (i < 24 ? (value >>> (23 - i)) & 1 : (check >>> (31 - i)) & 1));
}

const size = (width * height * 3) / 2;
// Stripes that wander by one row of this give motion that an encoder has to work for.
const stripes = Buffer.from(Array.from({ length: width + height + 256 }, (_, i) => (i * 3) & 0xff));

/** A picture (YUV 4:2:0) that carries the time `ms`. */
export function frame(ms, n) {
  const picture = Buffer.alloc(size, 128);
  for (let y = barHeight; y < height; y++) {
    const from = (y + n * 4) % (height + 256);
    stripes.copy(picture, y * width, from, from + width);
  }
  const row = Buffer.alloc(width);
  bits(ms).forEach((bit, i) => row.fill(bit ? 235 : 16, i * barWidth, (i + 1) * barWidth));
  for (let y = 0; y < barHeight; y++) row.copy(picture, y * width);
  return picture;
}

/** Samples (16 bit) from the time `ms` on: a tone of 1 kHz while a second begins, else silence. */
export function sound(ms, samples) {
  const made = Buffer.alloc(samples * 2);
  for (let i = 0; i < samples; i++) {
    const at = (ms + (i * 1000) / rate) % 1000;
    if (at < beep) made.writeInt16LE(at % 1 < 0.5 ? 12_000 : -12_000, i * 2);
  }
  return made;
}
