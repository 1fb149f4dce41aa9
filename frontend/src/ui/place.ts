/** Where this page came from. */

import type { Place } from './reach';

export function pagePlace(): Place {
  return { host: location.hostname, port: location.port || (location.protocol === 'https:' ? '443' : '80') };
}
