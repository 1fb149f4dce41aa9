// @vitest-environment happy-dom
import { afterEach, expect, test, vi } from 'vitest';
import { forgetLinkToken, linkToken } from './secrets';

afterEach(() => {
  vi.unstubAllGlobals();
  sessionStorage.clear();
});

test('a link’s token lasts through reloads until it is forgotten', () => {
  expect(linkToken('watch.harbour', '')).toBe('');
  expect(linkToken('watch.harbour', 'abc')).toBe('abc');
  expect(linkToken('watch.harbour', '')).toBe('abc');
  expect(linkToken('watch.other', '')).toBe('');
  expect(linkToken('watch.harbour', 'new')).toBe('new');
  forgetLinkToken('watch.harbour');
  expect(linkToken('watch.harbour', '')).toBe('');
});

test('blocked storage breaks nothing', () => {
  vi.stubGlobal('sessionStorage', undefined);
  expect(linkToken('setup', 'abc')).toBe('abc');
  expect(linkToken('setup', '')).toBe('');
});
