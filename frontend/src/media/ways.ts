/** The ways between a browser and the server, by the names that people read everywhere. */

import type { Way } from './types';

const names: Record<Way, string> = {
  udp: 'UDP',
  tcp: 'TCP',
  'relay-udp': 'UDP relay',
  'relay-tcp': 'TCP relay',
  'relay-tls': 'TLS relay',
};

export function wayName(way: Way): string {
  return names[way];
}

/** "over UDP", "over the TLS relay". */
export function overWay(way: Way): string {
  return `over ${way.startsWith('relay') ? 'the ' : ''}${names[way]}`;
}
