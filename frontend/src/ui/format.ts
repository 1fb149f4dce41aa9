/** Numbers and times as people read them: units after a space, never truncated. */

const counts = new Intl.NumberFormat('en');

/** "1,204" */
export function count(n: number): string {
  return counts.format(n);
}

/** "1 stream", "2 streams" */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** An age in words, two units at most: "52 s", "42 min", "1 h 08", "6 days". */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const min = Math.floor(s / 60);
  if (min < 60) return `${min} min`;
  const h = Math.floor(min / 60);
  if (h < 24) return `${h} h ${pad(min % 60)}`;
  return plural(Math.floor(h / 24), 'day');
}

/** A running clock: "42:17", with hours when there are any. */
export function clock(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const tail = `${pad(Math.floor(s / 60) % 60)}:${pad(s % 60)}`;
  const h = Math.floor(s / 3600);
  return h > 0 ? `${pad(h)}:${tail}` : tail;
}

/** Seconds as a number that says something at every size: "0.02", "0.4", "38". */
export function digits(s: number): string {
  if (s >= 9.95) return String(Math.round(s));
  return Math.max(0, s).toFixed(s < 0.095 ? 2 : 1);
}

/** "0.4 s" */
export function seconds(s: number): string {
  return `${digits(s)} s`;
}

/** A rate in bit/s as value and unit: ["4.21", "Mb/s"], ["640", "kb/s"]. */
export function rate(bits: number): [string, string] {
  return bits >= 1e6 ? [(bits / 1e6).toFixed(2), 'Mb/s'] : [String(Math.round(bits / 1e3)), 'kb/s'];
}

/** An amount of data: "640 kB", "1.2 MB", "38 GB". */
export function bytes(n: number): string {
  const units = ['kB', 'MB', 'GB', 'TB'];
  let v = n / 1000;
  let i = 0;
  while (v >= 999.5 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  return `${v >= 9.95 || i === 0 ? Math.round(v) : v.toFixed(1)} ${units[i]}`;
}

/** "0.2 %" */
export function percent(p: number): string {
  return `${p.toFixed(1)} %`;
}

/** "-18 dB" with a real minus sign. */
export function decibel(db: number): string {
  const n = Math.round(db);
  return `${n < 0 ? '−' : ''}${Math.abs(n)} dB`;
}

/** "1080p30"; '' until the size is known. */
export function picture(v: { width: number; height: number; fps: number }): string {
  if (!v.width || !v.height) return '';
  return `${Math.min(v.width, v.height)}p${v.fps ? Math.round(v.fps) : ''}`;
}

/** Up to two letters standing for a name. */
export function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter(Boolean);
  const letters = words.length > 1 ? words.slice(0, 2).map((w) => w[0]) : [...(words[0] ?? '?')].slice(0, 2);
  return letters.join('').toUpperCase();
}

function pad(n: number): string {
  return String(n).padStart(2, '0');
}
