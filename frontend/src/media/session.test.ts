import { expect, test } from 'vitest';
import { seesSources } from './session';

test('Sources is for all but accounts that only watch', () => {
  const session = (role: string | null, open = false) => ({ user: role ? { name: 'ada', role } : null, setupNeeded: false, open, version: '' });
  expect(seesSources(null)).toBe(false);
  expect(seesSources(session(null))).toBe(true);
  expect(seesSources(session('publisher'))).toBe(true);
  expect(seesSources(session('viewer'))).toBe(false);
  expect(seesSources(session('viewer', true))).toBe(true);
});
