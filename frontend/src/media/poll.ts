/** Asking again and again while the page is seen. */

import { sleep } from '../client/wait';

/** Calls `ask` at once and then `every` ms after its end, until the signal is aborted. What `ask` throws then is no failure. */
export async function poll(every: number, ask: (signal: AbortSignal) => Promise<void>, signal: AbortSignal): Promise<void> {
  try {
    for (;;) {
      await seen(signal);
      await ask(signal);
      await sleep(every, signal);
    }
  } catch (e) {
    if (!signal.aborted) throw e;
  }
}

/** Resolves when the page is visible. */
function seen(signal: AbortSignal): Promise<void> {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const done = new AbortController();
    const both = { signal: done.signal };
    document.addEventListener('visibilitychange', () => document.hidden || (done.abort(), resolve()), both);
    signal.addEventListener('abort', () => (done.abort(), reject(signal.reason)), both);
  });
}
