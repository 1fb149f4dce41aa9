/** The device's network, as far as the browser tells. */

/**
 * Calls fn when the network is there again or is another one, and when the page comes back from where it was not
 * running: a tab that was frozen or kept for the back button. Returns the end of it.
 */
export function onNetworkChange(fn: () => void): () => void {
  const shown = () => void (document.visibilityState === 'visible' && fn());
  const kept = (e: Event) => void ((e as PageTransitionEvent).persisted && fn());
  const pairs: [EventTarget | undefined, string, (e: Event) => void][] = [
    [globalThis, 'online', fn],
    [globalThis, 'pageshow', kept],
    [(navigator as { connection?: EventTarget }).connection, 'change', fn],
    [globalThis.document, 'visibilitychange', shown],
    [globalThis.document, 'resume', fn],
  ];
  for (const [target, event, heard] of pairs) target?.addEventListener?.(event, heard);
  return () => {
    for (const [target, event, heard] of pairs) target?.removeEventListener?.(event, heard);
  };
}

export function isOffline(): boolean {
  return navigator.onLine === false;
}
