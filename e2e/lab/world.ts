import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test as base } from '@playwright/test';
import type { Tool } from '../lib/encoder';
import { binary, Server } from '../lib/server';
import { camera, type Film } from './camera';
import { certificate, trust } from './certificates';
import type { Host } from './host';
import { Internet } from './internet';
import { type Person, person } from './person';

/** The port that the strictest of networks let through. */
const port = 443;

/** A server on the internet, a stream that is always on, and somebody who can watch from elsewhere. */
export interface World {
  internet: Internet;
  /** Where browsers open the app. */
  url: string;
  /** The same by IPv6. */
  url6: string;
  /** Starts a server on another machine, and its stream; `flags` are the server's own. */
  serve: (host: Host, port: number, flags: string[]) => Promise<{ server: Server; encoder: Tool }>;
  /** Starts another stream on the server. */
  stream: (name: string, film: Film) => Tool;
  /** A Chromium on the open internet. */
  elsewhere: Person;
}

/** A second server, with a certificate, which people reach by its name. Its stream is always on, too. */
export interface Secure {
  name: string;
  address: string;
  /** Where browsers open the app. */
  url: string;
  /** A Chromium on the open internet that trusts the certificate. It reaches the server by its address. */
  elsewhere: Person;
}

/** The stream that is always on: any line carries it. Its picture never stands still, and Firefox can play it. */
export const harbour = 'harbour';

/** Starts a server and, beside it, an encoder that sends it the stream. */
async function serve(host: Host, port: number, flags: string[]): Promise<{ server: Server; encoder: Tool }> {
  const program = host.wrap(process.env['HELIOGRAPH'] ?? binary);
  // The laboratory's own variables look like settings of the server.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('HELIOGRAPH_')));
  const server = await Server.start({ open: true, listen: `:${port}`, program, flags, env });
  return { server, encoder: film(host, server, harbour, { size: '640x360', kbps: 600, keyframe: 6 }) };
}

/** Starts an encoder on the server's own machine. */
function film(host: Host, server: Server, stream: string, what: Film): Tool {
  return camera(host, `rtsp://127.0.0.1:${server.at.rtsp.split(':').at(-1)}/${stream}`, what);
}

const log = (of: string) => join(import.meta.dirname, `../results/lab-${of}.log`);

export const test = base.extend<object, { world: World; secure: Secure }>({
  world: [
    async ({}, use) => {
      const internet = new Internet();
      const there = internet.machine('server');
      const { server, encoder } = await serve(there.host, port, []);
      const url = `http://${there.address}:${port}`;
      const elsewhere = await person('Chromium', internet.machine('elsewhere').host, url);
      await use({ internet, url, url6: `http://[${there.six}]:${port}`, serve, stream: (name, what) => film(there.host, server, name, what), elsewhere });
      await elsewhere.close();
      await encoder.stop();
      await server.stop();
      internet.close();
      // The server's side of rows that fail.
      writeFileSync(log('server'), server.log);
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  secure: [
    async ({ world }, use) => {
      const name = 'heliograph.test';
      const { host, address } = world.internet.machine('secure');
      const { server, encoder } = await world.serve(host, port, certificate(name, address));
      const far = world.internet.machine('trusting').host;
      trust(far);
      const elsewhere = await person('Chromium', far, `https://${address}`);
      await use({ name, address, url: `https://${name}`, elsewhere });
      await elsewhere.close();
      await encoder.stop();
      await server.stop();
      writeFileSync(log('secure'), server.log);
    },
    { scope: 'worker', timeout: 60_000 },
  ],
});
