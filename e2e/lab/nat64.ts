import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Host } from './host';

/** What an address of IPv4 is in a network of IPv6 alone (RFC 6052). DNS there gives it for names that have no other (RFC 6147). */
export const inSix = (four: string) => `64:ff9b::${four}`;

/** Has a router translate for its one client, who has the address `six`, and `four` beyond the translation. Returns what ends it. */
export async function nat64(router: Host, six: string, four: string): Promise<() => void> {
  const program = spawn('ip', ['netns', 'exec', router.ns, process.env['HELIOGRAPH_LAB_NETEMU'] ?? '', 'nat64', six, four], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(program.stdout, 'data');
  router.run(`
    ip link set nat64 up
    ip -6 route add ${inSix('0.0.0.0')}/96 dev nat64
    ip route add ${four} dev nat64
    iptables -t nat -A POSTROUTING -o wan -j MASQUERADE`);
  return () => program.stdin.end();
}
