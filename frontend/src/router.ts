/**
 * Addresses of the app and the way between them. Only same-origin links are followed; everything else is the browser's.
 * A page that must not be left by accident (an on-air studio) sets a guard.
 */

export type Route =
  | { page: 'home' }
  | { page: 'watch'; stream: string; token: string }
  | { page: 'studio' }
  | { page: 'sources'; stream: string }
  | { page: 'signin'; next: string }
  | { page: 'setup'; token: string }
  | { page: 'check'; next: string }
  | { page: 'notfound'; path: string };

/** A stream's name: 1-64 characters, beginning with a letter or a digit. */
export const streamName = /^[A-Za-z0-9][A-Za-z0-9._~-]{0,63}$/;

/** The route of an address of this origin. Never throws: what is unknown or broken is 'notfound'. */
export function parse(address: string): Route {
  const url = new URL(address, 'http://app.invalid');
  const path = url.pathname.replace(/\/+$/, '') || '/';
  if (path === '/') return { page: 'home' };
  if (path === '/studio') return { page: 'studio' };
  if (path === '/sources') return { page: 'sources', stream: nameOr(url.searchParams.get('stream')) };
  if (path === '/signin') return { page: 'signin', next: localPath(url.searchParams.get('next')) };
  if (path === '/setup') return { page: 'setup', token: url.searchParams.get('token') ?? '' };
  if (path === '/check') return { page: 'check', next: url.searchParams.has('next') ? localPath(url.searchParams.get('next')) : '' };
  const watch = /^\/watch\/([^/]+)$/.exec(path);
  const stream = watch?.[1] ? decode(watch[1]) : '';
  if (streamName.test(stream)) return { page: 'watch', stream, token: url.searchParams.get('token') ?? '' };
  return { page: 'notfound', path };
}

function nameOr(name: string | null): string {
  return name && streamName.test(name) ? name : '';
}

/** Where to go afterwards, as after signing in: only a path of this origin, so that a link cannot send a person elsewhere. */
function localPath(next: string | null): string {
  return next && /^\/(?![/\\])/.test(next) ? next : '/';
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return '';
  }
}

/** Answers whether the page may be left for `to`; a page that says no asks the person and calls `go` itself. */
export type Guard = (to: string) => boolean;

/** Router holds the current route and tells its subscribers when it changes (a Svelte store). */
export class Router {
  #route: Route;
  #address: string;
  #listeners = new Set<(route: Route) => void>();
  #guard: Guard | null = null;

  constructor() {
    this.#address = location.pathname + location.search;
    this.#route = parse(this.#address);
  }

  /** Begins to follow links and the back button; the returned function ends it. */
  start(): () => void {
    const onClick = (e: MouseEvent) => this.#click(e);
    const onPop = () => this.#pop();
    document.addEventListener('click', onClick);
    addEventListener('popstate', onPop);
    return () => {
      document.removeEventListener('click', onClick);
      removeEventListener('popstate', onPop);
    };
  }

  subscribe(fn: (route: Route) => void): () => void {
    this.#listeners.add(fn);
    fn(this.#route);
    return () => this.#listeners.delete(fn);
  }

  get(): Route {
    return this.#route;
  }

  /** Sets or removes the guard of the current page. */
  guard(guard: Guard | null): void {
    this.#guard = guard;
  }

  /** Goes to an address of this origin. `force` passes the guard, `replace` leaves no entry in the history. */
  go(to: string, o: { force?: boolean; replace?: boolean } = {}): void {
    if (!o.force && this.#guard && !this.#guard(to)) return;
    this.#guard = null;
    history[o.replace ? 'replaceState' : 'pushState'](null, '', to);
    scrollTo(0, 0);
    this.#show(to);
  }

  /** Writes another address for the page that is shown, without leaving it. */
  rewrite(to: string): void {
    history.replaceState(null, '', to);
    this.#address = to;
  }

  #click(e: MouseEvent): void {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    const link = e.target instanceof Element ? e.target.closest('a') : null;
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return;
    if (link.hash && link.pathname === location.pathname) return;
    e.preventDefault();
    this.go(link.pathname + link.search);
  }

  #pop(): void {
    const to = location.pathname + location.search;
    if (this.#guard && !this.#guard(to)) {
      history.pushState(null, '', this.#address);
      return;
    }
    this.#guard = null;
    this.#show(to);
  }

  #show(to: string): void {
    this.#address = to;
    this.#route = parse(to);
    for (const fn of this.#listeners) fn(this.#route);
  }
}
