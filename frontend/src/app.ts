/** What every page may reach: who is signed in, and the way to other pages. */
import { createContext } from 'svelte';
import type { SessionStore } from './media/session';
import type { Router } from './router';

export interface AppContext {
  session: SessionStore;
  router: Router;
  /** Call it when who is signed in has changed: connections must be made anew. */
  changed: () => Promise<void>;
}

export const [useApp, provideApp] = createContext<AppContext>();
