/**
 * Timers that are on time in a hidden tab too. Browsers let those of the page itself ring there once a second at most;
 * a network that is lost and found in several steps would take a second for each. A worker's are not held back.
 */

/** What the worker does. It is no file: the tab may become hidden when the network is away. */
const program = 'onmessage = ({ data: [id, ms] }) => setTimeout(() => postMessage(id), ms)';

/** Calls fn once after ms milliseconds. Returns what calls it off. */
export function later(ms: number, fn: () => void): () => void {
  const rings = () => {
    off();
    fn();
  };
  // Both are set, since a worker may be forbidden here or die; whichever rings first counts.
  const timer = setTimeout(rings, ms);
  const quiet = globalThis.document?.hidden ? ring(ms, rings) : undefined;
  const off = () => {
    clearTimeout(timer);
    quiet?.();
  };
  return off;
}

/** Calls fn every ms milliseconds until the returned function is called. */
export function every(ms: number, fn: () => void): () => void {
  let off = () => {};
  const next = () => {
    off = later(ms, () => {
      next();
      fn();
    });
  };
  next();
  return () => off();
}

const waiting = new Map<number, () => void>();
let worker: Worker | null | undefined;
let lastId = 0;

function ring(ms: number, fn: () => void): () => void {
  if (worker === undefined) worker = begin();
  const id = ++lastId;
  waiting.set(id, fn);
  worker?.postMessage([id, ms]);
  return () => waiting.delete(id);
}

function begin(): Worker | null {
  if (typeof Worker === 'undefined') return null;
  try {
    const made = new Worker(URL.createObjectURL(new Blob([program], { type: 'text/javascript' })));
    made.onmessage = (e: MessageEvent<number>) => waiting.get(e.data)?.();
    return made;
  } catch {
    return null;
  }
}
