/** One line of figures: min, median, 95th percentile and max, in ms. */
export function figures(values: number[]): string {
  if (values.length === 0) return 'nothing measured';
  const v = values.toSorted((a, b) => a - b);
  const at = (q: number) => (v[Math.min(v.length - 1, Math.floor(v.length * q))] ?? NaN).toFixed(0).padStart(5);
  return `min ${at(0)}  median ${at(0.5)}  p95 ${at(0.95)}  max ${at(1)}  (${v.length})`;
}

export function median(values: number[]): number {
  const v = values.toSorted((a, b) => a - b);
  return v[v.length >> 1] ?? NaN;
}

/** How much later than its picture each sound is: the delay of each beep less that of the pictures. */
export const offsets = (m: { video: number[]; audio: number[] }): number[] => m.audio.map((a) => a - median(m.video));

/** What of the offsets the browser does not know of, going by the time stamps it got: that is how wrong they are. */
export const stamped = (m: { video: number[]; audio: number[]; known: number[] }): number[] => offsets(m).map((o) => o - median(m.known));

/** Prints one measurement. */
export function print(what: string, values: number[], budget = ''): void {
  console.log(`${what.padEnd(58)} ${figures(values)}${budget && `  budget: ${budget}`}`);
}

/** Prints how much of the delay was the browser's. */
export function printBuffers(b: { video: number; audio: number }): void {
  const ms = (v: number) => (Number.isNaN(v) ? 'none' : `${v.toFixed(0)} ms`);
  console.log(`${''.padEnd(58)} of it in the browser's buffers: picture ${ms(b.video)}, sound ${ms(b.audio)}`);
}
