import { cable, type End, Host } from './host';
import { Line } from './line';
import { nat64 } from './nat64';
import { type Nat, nat } from './nats';

/** What a network is behind. With NAT64 it has IPv6 alone and its router leads to IPv4 as well. */
export type Kind = Nat | 'open' | 'ipv6' | 'NAT64';

/** Whether machines have IPv6 there, and IPv6 alone. */
const isSix = (kind: string) => kind === 'ipv6' || kind === 'NAT64';

/** A home or an office: one machine behind its router, which a line joins to the internet. */
export interface Site {
  /** The machine that people sit at. */
  client: Host;
  router: Host;
  line: Line;
  close: () => void;
}

/** Where IPv6 is spoken: addresses for documentation, which are routed nowhere else. */
const six = (network: number, host: number) => `2001:db8:${network.toString(16)}::${host.toString(16)}`;
/** The network behind a router of IPv6, without a machine's number. */
const sixBehind = (network: number) => `2001:db8:1${network.toString(16).padStart(3, '0')}::`;

/**
 * The internet: one router that joins every network. Its public addresses are those of RFC 2544, for tests of networks,
 * which no browser takes for private ones. It drops what comes from private addresses, as the real one does.
 */
export class Internet {
  readonly router = new Host('internet');
  readonly #machines: Host[] = [];
  #networks = 0;

  constructor() {
    this.router.route();
    this.router.run(`
      iptables -A FORWARD -s 192.168.0.0/16 -j DROP
      iptables -A FORWARD -d 192.168.0.0/16 -j DROP
      iptables -A FORWARD -s 172.16.0.0/12 -j DROP
      iptables -A FORWARD -d 172.16.0.0/12 -j DROP`);
  }

  /** A machine with a public address of each family. */
  machine(name: string): { host: Host; address: string; six: string } {
    const n = ++this.#networks;
    const host = new Host(name);
    this.#machines.push(host);
    cable(...this.#ends(n, host, 'eth0'));
    host.run(`ip route add default via 198.18.${n}.1; ip -6 route add default via ${six(n, 1)}`);
    return { host, address: `198.18.${n}.2`, six: six(n, 2) };
  }

  /** A machine behind a router of the kind. Packets take 20 ms each way. */
  async site(kind: Kind): Promise<Site> {
    const n = ++this.#networks;
    const client = new Host(`client${n}`);
    const uplink = await this.#uplink(n, kind);
    this.#lan(n, kind, client, uplink.router);
    const four = `192.168.${n}.2`;
    let translates = () => {};
    if (kind === 'NAT64') translates = await nat64(uplink.router, `${sixBehind(n)}2`, four);
    else if (kind !== 'open' && kind !== 'ipv6') nat(uplink.router, kind, four);
    const close = () => {
      translates();
      uplink.close();
      client.remove();
    };
    return { client, router: uplink.router, line: uplink.line, close };
  }

  /** A second way out for a machine, unused so far: `eth1`, behind a router with NAT of its own. Returns what uses it instead of the first. */
  async secondWay(client: Host): Promise<{ switchOver: () => void; close: () => void }> {
    const n = ++this.#networks;
    const uplink = await this.#uplink(n, 'port-restricted');
    cable({ host: client, name: 'eth1', addresses: [] }, { host: uplink.router, name: 'lan', addresses: [`192.168.${n}.1/24`] });
    nat(uplink.router, 'port-restricted', `192.168.${n}.2`);
    const switchOver = () => client.run(`ip link set eth0 down; ip addr add 192.168.${n}.2/24 dev eth1; ip route add default via 192.168.${n}.1`);
    return { switchOver, close: uplink.close };
  }

  /** Takes away the router and all machines with public addresses. */
  close(): void {
    for (const host of [...this.#machines, this.router]) host.remove();
  }

  /** What joins a machine to this router, with public addresses: the machine's end and the router's. */
  #ends(n: number, host: Host, name: string): [End, End] {
    return [
      { host, name, addresses: [`198.18.${n}.2/30`, `${six(n, 2)}/64`] },
      { host: this.router, name: `net${n}`, addresses: [`198.18.${n}.1/30`, `${six(n, 1)}/64`] },
    ];
  }

  async #uplink(n: number, kind: string): Promise<{ router: Host; line: Line; close: () => void }> {
    const router = new Host(`router${n}`);
    router.route();
    const line = await Line.between(...this.#ends(n, router, 'wan'));
    await line.set('delay=20ms');
    router.run(`ip route add default via 198.18.${n}.1; ip -6 route add default via ${six(n, 1)}`);
    if (kind === 'open') this.router.run(`ip route add 198.19.${n}.0/24 via 198.18.${n}.2`);
    if (isSix(kind)) this.router.run(`ip -6 route add ${sixBehind(n)}/64 via ${six(n, 2)}`);
    const close = () => {
      line.close();
      router.remove();
    };
    return { router, line, close };
  }

  #lan(n: number, kind: string, client: Host, router: Host): void {
    const network = kind === 'open' ? `198.19.${n}` : `192.168.${n}`;
    const wide = sixBehind(n);
    const [mine, theirs] = isSix(kind) ? [`${wide}2/64`, `${wide}1/64`] : [`${network}.2/24`, `${network}.1/24`];
    cable({ host: client, name: 'eth0', addresses: [mine] }, { host: router, name: 'lan', addresses: [theirs] });
    client.run(isSix(kind) ? `ip -6 route add default via ${wide}1` : `ip route add default via ${network}.1`);
  }

  /** A machine in a cloud: it has a private address, which the cloud exchanges for a public one, whatever is sent. */
  oneToOne(name: string): { inner: Host; address: string; close: () => void } {
    const outer = this.machine(`${name}-outer`);
    const inner = new Host(`${name}-inner`);
    outer.host.route();
    cable({ host: inner, name: 'eth0', addresses: ['172.31.0.2/20'] }, { host: outer.host, name: 'cloud', addresses: ['172.31.0.1/20'] });
    inner.run('ip route add default via 172.31.0.1');
    outer.host.run(`
      iptables -t nat -A PREROUTING -i eth0 -d ${outer.address} -j DNAT --to-destination 172.31.0.2
      iptables -t nat -A POSTROUTING -o eth0 -s 172.31.0.2 -j SNAT --to-source ${outer.address}`);
    const close = () => {
      inner.remove();
      outer.host.remove();
    };
    return { inner, address: outer.address, close };
  }

  /**
   * A machine that hides another behind a bridge, as Docker does: the port of the inner one is published on the
   * outer's public address, under another number if need be, and what the inner one sends goes out under that.
   */
  bridged(name: string, port: number, published = port): { inner: Host; address: string; close: () => void } {
    const outer = this.machine(`${name}-outer`);
    const inner = new Host(`${name}-inner`);
    outer.host.route();
    outer.host.run('ip link add docker0 type bridge; ip addr add 172.17.0.1/16 dev docker0; ip link set docker0 up');
    cable({ host: inner, name: 'eth0', addresses: ['172.17.0.2/16'] }, { host: outer.host, name: 'veth0', addresses: [] });
    inner.run('ip route add default via 172.17.0.1');
    outer.host.run(`
      ip link set veth0 master docker0
      for protocol in tcp udp; do
        iptables -t nat -A PREROUTING -p $protocol -d ${outer.address} --dport ${published} -j DNAT --to-destination 172.17.0.2:${port}
      done
      iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE`);
    const close = () => {
      inner.remove();
      outer.host.remove();
    };
    return { inner, address: outer.address, close };
  }
}
