/** Who is signed in on this browser. */

import { asProblem, rest } from './rest';
import { Store } from './store';
import type { Problem, Readable, SessionState } from './types';

/** The server's rule for a new password, characters. */
const shortest = 8;

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

  /** Makes the owner's account with the token that the server printed when it started. */
  async setUp(token: string, user: string, password: string): Promise<void> {
    try {
      this.#take(await ask('POST', 'setup', { body: { token, user, password } }));
    } catch (e) {
      throw setUpProblem(e as Problem, password);
    }
  }

  #take(answer: unknown): void {
    this.#store.patch({ session: parseSession(answer) });
  }
}

/** Whether this person publishes under any name, pulls cameras and sends streams on. */
export function mayPublish(s: SessionState | null): boolean {
  return s?.user?.role === 'publisher' || s?.user?.role === 'admin';
}

/** Whether the Sources page is for this person: all but accounts that only watch. A signed-out visitor is asked there to sign in. */
export function seesSources(s: SessionState | null): boolean {
  return s !== null && (s.open || !s.user || mayPublish(s));
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

/** The words for a set-up that was refused. What is wrong with a name or password is the server's to say. */
function setUpProblem(p: Problem, password: string): Problem {
  switch (p.code) {
    case 'unauthenticated':
      return { code: p.code, title: 'This set-up link does not work', message: 'It is wrong, or older than the server’s last start. Open the link that the server printed when it last started.' };
    case 'already_set_up':
      return { code: p.code, title: 'This set-up link was used', message: 'The server has an owner. Sign in with that account.', action: 'signin' };
    case 'bad_request':
      return { code: p.code, title: password.length < shortest ? 'The password is too short' : 'The server does not take this name or password', message: p.message };
    default:
      return p;
  }
}

function parseSession(value: unknown): SessionState {
  const f = (typeof value === 'object' && value !== null ? value : {}) as Record<string, unknown>;
  const u = f.user as Record<string, unknown> | null | undefined;
  const user = u && typeof u.name === 'string' ? { name: u.name, role: typeof u.role === 'string' ? u.role : '' } : null;
  return { user, setupNeeded: f.setupNeeded === true, open: f.open === true, version: typeof f.version === 'string' ? f.version : '' };
}
