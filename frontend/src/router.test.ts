// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parse, Router } from './router';

describe('parse', () => {
  it.each([
    ['/', { page: 'home' }],
    ['/studio', { page: 'studio' }],
    ['/studio/', { page: 'studio' }],
    ['/sources', { page: 'sources', stream: '' }],
    ['/sources?stream=dock', { page: 'sources', stream: 'dock' }],
    ['/sources?stream=%2Fx', { page: 'sources', stream: '' }],
    ['/watch/harbour', { page: 'watch', stream: 'harbour', token: '' }],
    ['/watch/a.b_c~d-1?token=x', { page: 'watch', stream: 'a.b_c~d-1', token: 'x' }],
    ['/watch/%68i', { page: 'watch', stream: 'hi', token: '' }],
    ['/signin', { page: 'signin', next: '/' }],
    ['/signin?next=/studio', { page: 'signin', next: '/studio' }],
    ['/check', { page: 'check', next: '' }],
    ['/check?next=/watch/harbour', { page: 'check', next: '/watch/harbour' }],
    ['/check?next=//evil.example', { page: 'check', next: '/' }],
    ['/setup?token=abc', { page: 'setup', token: 'abc' }],
  ])('knows %s', (address, route) => {
    expect(parse(address)).toEqual(route);
  });

  it.each(['/watch', '/watch/', '/watch/-x', '/watch/a/b', '/watch/a%2Fb', '/watch/%E0%A4%A', `/watch/${'a'.repeat(65)}`, '/admin'])(
    'does not know %s',
    (address) => expect(parse(address).page).toBe('notfound'),
  );

  it.each(['//evil.example', 'https://evil.example', '/\\evil.example', 'javascript:alert(1)'])(
    'does not send a person to %s after signing in',
    (next) => expect(parse(`/signin?next=${encodeURIComponent(next)}`)).toEqual({ page: 'signin', next: '/' }),
  );
});

describe('Router', () => {
  let stop = () => {};

  beforeEach(() => history.replaceState(null, '', '/'));
  afterEach(() => {
    stop();
    document.body.replaceChildren();
  });

  function press(href: string, o: MouseEventInit = {}): MouseEvent {
    const a = document.createElement('a');
    a.href = href;
    document.body.append(a);
    const e = new MouseEvent('click', { bubbles: true, cancelable: true, ...o });
    a.dispatchEvent(e);
    return e;
  }

  it('follows links of this origin and leaves the others to the browser', () => {
    const router = new Router();
    stop = router.start();
    expect(press('/studio').defaultPrevented).toBe(true);
    expect(router.get()).toEqual({ page: 'studio' });
    expect(location.pathname).toBe('/studio');
    // happy-dom would really open them.
    addEventListener('click', (e) => e.preventDefault(), { once: true });
    press('/', { ctrlKey: true });
    expect(router.get()).toEqual({ page: 'studio' });
  });

  it('asks the guard once, and passes it by force', () => {
    const router = new Router();
    const guard = vi.fn(() => false);
    router.guard(guard);
    router.go('/studio');
    expect(guard).toHaveBeenCalledWith('/studio');
    expect(router.get()).toEqual({ page: 'home' });
    router.go('/studio', { force: true });
    expect(router.get()).toEqual({ page: 'studio' });
    router.go('/');
    expect(guard).toHaveBeenCalledTimes(1);
    expect(router.get()).toEqual({ page: 'home' });
  });

  it('stays on a guarded page when the back button is pressed', () => {
    const router = new Router();
    stop = router.start();
    router.go('/studio');
    router.guard(() => false);
    history.replaceState(null, '', '/');
    dispatchEvent(new PopStateEvent('popstate'));
    expect(router.get()).toEqual({ page: 'studio' });
    expect(location.pathname).toBe('/studio');
  });
});
