import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { wrap } from './namespace';

const sh = (command: string) => spawnSync('sh', ['-ec', command], { encoding: 'utf8' });

/** Why no network of our own can be made here; '' when it can. */
export function missing(): string {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  if (sh('command -v ip && command -v iptables').status !== 0) return 'the programs ip and iptables are not installed';
  const probe = `hgp${process.pid}`;
  const made = sh(`ip netns add ${probe} && ip netns del ${probe}`);
  return made.status === 0 ? '' : `network namespaces cannot be made here: ${made.stderr.trim()}`;
}

/** The addresses of this end of the cable and of the other host. Each process has a subnet of its own, so that two runs do not meet. */
export const near = `10.77.${process.pid % 256}.1`;
export const far = `10.77.${process.pid % 256}.2`;

/** Takes away what a run left that was killed: its cable would draw the packets of others. */
function sweep(): void {
  for (const [, name, pid] of sh('ip netns list').stdout.matchAll(/^(hg(\d+))\b/gm)) {
    if (!existsSync(`/proc/${pid}`)) sh(`ip netns del ${name}`);
  }
}

/**
 * A second host: a network namespace joined to this one by a cable. Programs started through `wrap` live there, and its
 * network can be cut or filtered while they run.
 */
export class Lab {
  readonly near = near;
  readonly far = far;
  readonly #ns = `hg${process.pid}`;
  readonly #dir = mkdtempSync(join(tmpdir(), 'heliograph-lab-'));

  constructor() {
    sweep();
    const [ns, near, far] = [this.#ns, `hga${process.pid}`, `hgb${process.pid}`];
    const made = sh(`
      ip netns add ${ns}
      ip link add ${near} type veth peer name ${far} netns ${ns}
      ip addr add ${this.near}/24 dev ${near}
      ip link set ${near} up
      ip -n ${ns} addr add ${this.far}/24 dev ${far}
      ip -n ${ns} link set ${far} name eth0
      ip -n ${ns} link set eth0 up
      ip -n ${ns} link set lo up`);
    if (made.status !== 0) {
      this.close();
      throw new Error(`the lab was not built: ${made.stderr}`);
    }
  }

  /** A program that runs `program` on the other host. */
  wrap(program: string): string {
    return wrap(this.#ns, program, this.#dir);
  }

  /** Loses every packet in both directions, or none. */
  cut(on: boolean): void {
    this.#filter(on, 'INPUT -j DROP');
    this.#filter(on, 'OUTPUT -j DROP');
  }

  /** Blocks UDP, as many company networks do. */
  blockUDP(on: boolean): void {
    this.#filter(on, 'INPUT -p udp -j DROP');
    this.#filter(on, 'OUTPUT -p udp -j DROP');
  }

  #filter(on: boolean, rule: string): void {
    const done = sh(`ip netns exec ${this.#ns} iptables ${on ? '-I' : '-D'} ${rule}`);
    if (done.status !== 0) throw new Error(done.stderr);
  }

  close(): void {
    sh(`ip link del hga${process.pid} 2>/dev/null; ip netns del ${this.#ns} 2>/dev/null; true`);
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
