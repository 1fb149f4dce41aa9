/** A clock that ticks once a second while anything reads it. */
import { createSubscriber } from 'svelte/reactivity';

const tick = createSubscriber((update) => {
  const timer = setInterval(update, 1000);
  return () => clearInterval(timer);
});

/** ms since 1970 by this machine's clock; in an effect or a template it runs again every second. */
export function now(): number {
  tick();
  return Date.now();
}
