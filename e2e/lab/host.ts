import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { wrap } from '../lib/namespace';

/** Of this run and worker alone, so that two may go on at once. Set by run.mjs, which also removes what has the name. */
const run = `${process.env['HELIOGRAPH_LAB_RUN']}-${process.env['TEST_WORKER_INDEX'] ?? 0}`;
/** For files of this run. */
export const folder = process.env['HELIOGRAPH_LAB_FOLDER'] ?? '';

/** Runs a shell script and returns what it printed. */
export function sh(script: string): string {
  const done = spawnSync('sh', ['-ec', script], { encoding: 'utf8' });
  if (done.status !== 0) throw new Error(`the laboratory could not do this:\n${script}\n${done.stderr}`);
  return done.stdout;
}

/** A machine of the laboratory: a network namespace. */
export class Host {
  /** Of the namespace. */
  readonly ns: string;
  /** The folder of what it has below /etc instead of the real files. */
  readonly #etc: string;

  constructor(name: string) {
    this.ns = `hglab${run}-${name}`;
    this.#etc = join(folder, `${this.ns}-etc`);
    sh(`
      ip netns add ${this.ns}
      ip -n ${this.ns} link set lo up`);
    // An address that IPv6 makes by itself is there at once: a browser that sees one come later drops its connections.
    this.run('echo 0 >/proc/sys/net/ipv6/conf/default/accept_dad');
  }

  /** Runs a shell script on this machine. `ip` in it means the machine's own network. */
  run(script: string): string {
    const done = spawnSync('ip', ['netns', 'exec', this.ns, 'sh', '-ec', script], { encoding: 'utf8' });
    if (done.status !== 0) throw new Error(`${this.ns} could not do this:\n${script}\n${done.stderr}`);
    return done.stdout;
  }

  /** A program that runs `program` on this machine. */
  wrap(program: string): string {
    const mount = existsSync(this.#etc) ? `mount -t overlay -o lowerdir=${this.#etc}:/etc ${this.ns} /etc` : undefined;
    return wrap(this.ns, program, folder, mount);
  }

  /** Gives this machine a file below /etc that no other has. Programs that are wrapped afterwards see it. */
  etc(file: string, text: string): void {
    const path = join(this.#etc, file);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }

  /** Has this machine know names, each with its address. */
  knows(names: Record<string, string>): void {
    // Chromium looks for the name of a relay with a dot behind it.
    const lines = Object.entries({ localhost: '127.0.0.1', ...names }).map(([name, address]) => `${address} ${name} ${name}.\n`);
    this.etc('hosts', lines.join(''));
  }

  /** Passes packets on between its networks. */
  route(): void {
    this.run('echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
  }

  /** Takes the machine away, with its cables. What still runs on it has no network. */
  remove(): void {
    spawnSync('ip', ['netns', 'del', this.ns]);
  }
}

/** One end of a cable: a machine, the name that the cable has there, and addresses with their prefix length. */
export interface End {
  host: Host;
  name: string;
  addresses: string[];
}

/** The commands that put an end of a cable that is there into use. */
export const plug = (e: End) => `
  ip -n ${e.host.ns} link set ${e.name} up
  ${e.addresses.map((a) => address(e.host, e.name, a)).join('\n')}`;

/** The command that gives a device an address; one of IPv6 is usable at once. */
function address(host: Host, device: string, a: string): string {
  return `ip -n ${host.ns} addr add ${a} dev ${device}${a.includes(':') ? ' nodad' : ''}`;
}

/** Joins two machines. */
export function cable(a: End, b: End): void {
  sh(`
    ip link add ${a.name} netns ${a.host.ns} type veth peer name ${b.name} netns ${b.host.ns}
    ${plug(a)}
    ${plug(b)}`);
}
