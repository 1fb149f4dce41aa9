/** Who is signed in on this browser. */

import { asProblem, rest } from './rest';
import { Store } from './store';
import type { Problem, Readable, SessionState } from './types';

/** `get()` is null until the first answer. Every request throws a Problem when it fails. */
export class SessionStore implements Readable<SessionState | null> {
  readonly #store = new Store<{ session: SessionState | null }>({ session: null });

  subscribe(fn: (state: SessionState | null) => void): () => void {
    return this.#store.subscribe((s) => fn(s.session));
  }

  get(): SessionState | null {
    return this.#store.get().session;
  }

  async load(signal?: AbortSignal): Promise<void> {
    this.#take(await ask('GET', 'session', signal ? { signal } : {}));
  }

  async signIn(user: string, password: string): Promise<void> {
    this.#take(await ask('POST', 'session', { body: { user, password } }));
  }

  async signOut(): Promise<void> {
    await ask('DELETE', 'session', {});
    await this.load();
  }

  /** Makes the first account with the token that the server printed at its first start. */
  async setUp(token: string, user: string, password: string): Promise<void> {
    this.#take(await ask('POST', 'setup', { body: { token, user, password } }));
  }

  #take(answer: unknown): void {
    this.#store.patch({ session: parseSession(answer) });
  }
}

async function ask(method: string, path: string, o: { body?: object; signal?: AbortSignal }): Promise<unknown> {
  try {
    return await rest(method, path, o);
  } catch (e) {
    o.signal?.throwIfAborted();
    const p = asProblem(e);
    // At a sign-in the general words for a refusal would say "sign in".
    if (p.code === 'unauthenticated' && method === 'POST' && path === 'session') {
      throw { code: p.code, title: 'That did not match', message: 'The name or the password is wrong. Check both and try again.' } satisfies Problem;
    }
    throw p;
  }
}

function parseSession(value: unknown): SessionState {
  const f = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const u = f.user as Record<string, unknown> | null | undefined;
  const user = u && typeof u.name === 'string' ? { name: u.name, role: typeof u.role === 'string' ? u.role : '' } : null;
  return { user, setupNeeded: f.setupNeeded === true, open: f.open === true, version: typeof f.version === 'string' ? f.version : '' };
}
