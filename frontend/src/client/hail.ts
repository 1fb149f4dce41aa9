/**
 * Asking over HTTP whether the server is in reach. Where it is not, an HTTP request can be called off with its connection. A WebSocket
 * cannot in Firefox: its connection goes on being tried, ever more seldom, and the sixth of them keeps out every later one.
 */

/** The address beside a WebSocket's that answers everybody. */
export function hailAddress(socket: string): string {
  return new URL('healthz', socket.replace(/^ws/, 'http')).href;
}

/** Whether the server answers within ms, on a connection that nothing else uses. Never rejects; false when the signal is aborted first. */
export async function answers(url: string, within: number, signal: AbortSignal): Promise<boolean> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), within);
  try {
    const { status } = await fetch(url, {
      method: 'HEAD',
      mode: 'no-cors', // the answer is not read
      cache: 'no-store',
      // Browsers do not mix connections for requests with and without cookies. One that was left over from before the
      // network changed would hang, and nobody else leaves one of these.
      credentials: 'omit',
      signal: AbortSignal.any([signal, late.signal]),
    });
    // A proxy says by 5xx that it has no server.
    return status < 500;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}
