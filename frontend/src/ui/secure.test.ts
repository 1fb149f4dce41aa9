import { afterEach, expect, it, vi } from 'vitest';
import { secureAddress } from './secure';

afterEach(() => vi.unstubAllGlobals());

function page(address: string, answer: () => Promise<{ ok: boolean }>): void {
  vi.stubGlobal('location', new URL(address));
  vi.stubGlobal('fetch', vi.fn(answer));
}

it.each([
  ['http://192.168.1.5:8080/studio?x=1', true, 'https://192.168.1.5:8080/studio?x=1'],
  ['http://nas/studio', true, 'https://nas:80/studio'],
  ['http://192.168.1.5:8080/studio', false, ''],
  ['https://192.168.1.5:8080/studio', true, ''],
])('%s with a certificate: %s', async (address, ok, to) => {
  page(address, () => Promise.resolve({ ok }));
  expect(await secureAddress()).toBe(to);
});

it('a server that does not answer has no address', async () => {
  page('http://nas:8080/studio', () => Promise.reject(new TypeError('failed')));
  expect(await secureAddress()).toBe('');
});
