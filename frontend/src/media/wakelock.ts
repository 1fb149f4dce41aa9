/** Keeps the screen on. */

/** Holds the screen on until the returned function is called; does nothing where the browser cannot. */
export function keepAwake(): () => void {
  let released = false;
  let lock: WakeLockSentinel | null = null;
  const take = async () => {
    if (document.hidden || released || !navigator.wakeLock) return;
    const fresh = await navigator.wakeLock.request('screen').catch(() => null);
    if (released) void fresh?.release();
    else lock = fresh;
  };
  // The browser drops the lock whenever the page is hidden.
  const again = () => void take();
  document.addEventListener('visibilitychange', again);
  void take();
  return () => {
    released = true;
    document.removeEventListener('visibilitychange', again);
    void lock?.release();
  };
}
