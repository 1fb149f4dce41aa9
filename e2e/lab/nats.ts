import type { Host } from './host';

/** The kinds of router, by what they do to their clients' packets (RFC 4787). */
export type Nat = 'full cone' | 'port-restricted' | 'symmetric' | 'UDP blocked' | 'only TCP 443' | 'only TLS on 443';

/**
 * Makes a router of a kind. `lan` and `wan` are its devices; `client` is the machine that a full cone opens its ports to.
 */
export function nat(router: Host, kind: Nat, client: string): void {
  const masquerade = `iptables -t nat -A POSTROUTING -o wan -j MASQUERADE${kind === 'symmetric' ? ' --random-fully' : ''}`;
  router.run(`
    iptables -P FORWARD DROP
    # Unasked packets must leave no trace, or they take the port that the next client should have got.
    iptables -A INPUT -i wan -p udp -j DROP
    iptables -A INPUT -i wan -p tcp --syn -j DROP
    iptables -A FORWARD -i wan -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
    ${rules[kind](client)}
    iptables -A FORWARD -i lan -j ACCEPT
    ${masquerade}`);
}

const rules: Record<Nat, (client: string) => string> = {
  'full cone': (client) => `
    iptables -A FORWARD -i wan -p udp -j ACCEPT
    iptables -t nat -A PREROUTING -i wan -p udp -j DNAT --to-destination ${client}`,
  // Linux keeps a free port, and lets in only whom the client has sent to.
  'port-restricted': () => '',
  symmetric: () => '',
  'UDP blocked': () => 'iptables -A FORWARD -i lan -p udp -j DROP',
  'only TCP 443': () => `
    iptables -A FORWARD -i lan -p tcp --dport 443 -j ACCEPT
    iptables -A FORWARD -i lan -j REJECT`,
  // The first byte of a TLS connection is 0x16. Packets without data, which come before it, have 60 bytes at most.
  'only TLS on 443': () => `
    iptables -t mangle -A FORWARD -i lan -p tcp --dport 443 -m u32 --u32 "0>>22&0x3C@12>>26&0x3C@0>>24=0x16" -j CONNMARK --set-mark 1
    iptables -A FORWARD -i lan -p tcp --dport 443 -m connmark --mark 1 -j ACCEPT
    iptables -A FORWARD -i lan -p tcp --dport 443 -m length --length 0:60 -j ACCEPT
    iptables -A FORWARD -i lan -p tcp -j REJECT --reject-with tcp-reset
    iptables -A FORWARD -i lan -j REJECT`,
};
