/** Requests to the REST interface under /api/v1; what fails is thrown as a Problem. */

import type { Problem } from './types';
import { problem } from './problems';

/** The server's clock minus this machine's in ms, to about a second; from its last answer. */
let skew = 0;

/** The server's time, ms since 1970, for pages that have no socket. */
export function serverNow(now = Date.now()): number {
  return now + skew;
}

/** Asks for JSON. Resolves with null for an empty answer; rejects with a Problem, or the signal's reason. */
export async function rest(method: string, path: string, o: { body?: object; signal?: AbortSignal } = {}): Promise<unknown> {
  const init: RequestInit = { method, headers: { Accept: 'application/json' }, credentials: 'same-origin' };
  if (o.signal) init.signal = o.signal;
  if (o.body) {
    init.body = JSON.stringify(o.body);
    init.headers = { ...init.headers, 'Content-Type': 'application/json' };
  }
  let response: Response;
  try {
    response = await fetch(`/api/v1/${path}`, init);
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw problem(navigator.onLine === false ? 'offline' : 'connection_lost');
  }
  const date = Date.parse(response.headers.get('Date') ?? '');
  // The header has whole seconds; what is nearer than that is the same clock.
  if (!Number.isNaN(date)) skew = Math.abs(date - Date.now()) < 2000 ? 0 : date + 500 - Date.now();
  if (!response.ok) throw await refused(response);
  if (response.status === 204) return null;
  return response.json().catch(() => {
    throw problem('bad_version');
  });
}

/** Reads application/problem+json (RFC 9457). */
async function refused(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const f = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const code = typeof f.code === 'string' ? f.code : `http_${response.status}`;
  const known = problem(code);
  // The document's title is the name of the status ("Bad Request"), which tells a person nothing.
  const message = typeof f.detail === 'string' && f.detail ? f.detail : known.message;
  return { ...known, message };
}

/** Whatever was thrown by rest(), as a Problem. */
export function asProblem(thrown: unknown): Problem {
  if (typeof thrown === 'object' && thrown !== null && 'code' in thrown && 'title' in thrown && 'message' in thrown) return thrown as Problem;
  return problem('internal');
}
