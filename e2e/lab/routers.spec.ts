import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, test } from '@playwright/test';
import { Internet } from './internet';
import type { Nat } from './nats';

const probe = join(import.meta.dirname, 'probe.mjs');

const kinds: Record<Nat | 'open', object> = {
  open: { mapping: 'independent', filtering: 'independent' },
  'full cone': { mapping: 'independent', filtering: 'independent' },
  'port-restricted': { mapping: 'independent', filtering: 'by address and port' },
  symmetric: { mapping: 'dependent', filtering: 'by address and port' },
  'UDP blocked': { mapping: 'blocked' },
  'only TCP 443': { mapping: 'blocked' },
  'only TLS on 443': { mapping: 'blocked' },
};

/** What all other rows rest on. */
test('routers are what they are called', { tag: '@ci' }, async () => {
  const internet = new Internet();
  const { host, address } = internet.machine('prober');
  const second = '198.18.255.1';
  host.run(`ip addr add ${second}/32 dev lo`);
  internet.router.run(`ip route add ${second} via ${address}`);
  const answering = spawn('ip', ['netns', 'exec', host.ns, process.execPath, probe, 'answer', address, second], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(answering.stdout, 'data');
  try {
    for (const [kind, expected] of Object.entries(kinds) as [Nat | 'open', object][]) {
      const site = await internet.site(kind);
      const found = JSON.parse(site.client.run(`${process.execPath} ${probe} ask ${address} ${second}`)) as object;
      site.close();
      expect(found, kind).toEqual(expected);
    }
    console.log('routers are what they are called');
  } finally {
    answering.stdin.end();
    internet.close();
  }
});
