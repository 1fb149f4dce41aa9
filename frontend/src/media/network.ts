/** The device's network, as far as the browser tells. */

/** Calls fn when the network is there again or is another one. Returns the end of it. */
export function onNetworkChange(fn: () => void): () => void {
  const connection = (navigator as { connection?: EventTarget }).connection;
  globalThis.addEventListener?.('online', fn);
  connection?.addEventListener?.('change', fn);
  return () => {
    globalThis.removeEventListener?.('online', fn);
    connection?.removeEventListener?.('change', fn);
  };
}

export function isOffline(): boolean {
  return navigator.onLine === false;
}
