/** The way from a plain page to the encrypted one of the same server. */

import { pagePlace } from './place';

/**
 * The https address of this page, at the same port, which takes both; '' where there is none. Only a server that made its
 * own certificate is asked for: one with another sends people there by itself.
 */
export async function secureAddress(): Promise<string> {
  if (location.protocol !== 'http:') return '';
  try {
    const answer = await fetch('/certificate', { method: 'HEAD' });
    const { host, port } = pagePlace();
    return answer.ok ? `https://${host}:${port}${location.pathname}${location.search}` : '';
  } catch {
    return '';
  }
}
