import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { chromium as playwright, type Page } from '@playwright/test';
import { launch } from 'puppeteer-core';
import { chromium, program as chromiumProgram } from '../lib/chromium';
import { firefoxPreferences, firefoxProgram } from '../lib/firefox';
import { spy } from '../lib/probe';
import { folder, type Host } from './host';
import { prepare, type Relay, relayOnly } from './page';

export const browsers = ['Chromium', 'Firefox'] as const;
export type BrowserName = (typeof browsers)[number];

/** A tab of either browser: what Playwright's and Puppeteer's pages have in common. */
export type Tab = Pick<Page, 'evaluate' | 'close'> & { goto: (url: string) => Promise<unknown> };

/** A page that waits for a stream is never wholly loaded: its video element holds that back. */
const loaded = { waitUntil: 'domcontentloaded', timeout: 20_000 } as const;

/** A browser on some machine of the laboratory. */
export interface Person {
  /** Opens a tab with nothing kept from any other. Its media take a relay by the way `by`, if there is one. */
  tab: (by?: Relay) => Promise<Tab>;
  close: () => Promise<unknown>;
}

/** Starts a browser on a machine. It takes `url` for a safe origin, and gives pages its fake camera and microphone. */
export function person(which: BrowserName, host: Host, url: string): Promise<Person> {
  return which === 'Chromium' ? inChromium(host, url) : inFirefox(host);
}

async function inChromium(host: Host, url: string): Promise<Person> {
  const options = chromium(`--unsafely-treat-insecure-origin-as-secure=${url}`);
  const browser = await playwright.launch({ ...options, executablePath: host.wrap(chromiumProgram) });
  const tab = async (by?: Relay) => {
    const context = await browser.newContext({ permissions: ['camera', 'microphone'] });
    if (by) await context.addInitScript(relayOnly, by);
    await context.addInitScript(spy);
    await context.addInitScript(prepare);
    const page = await context.newPage();
    const goto = (url: string) => page.goto(url, loaded);
    return { goto, evaluate: page.evaluate.bind(page), close: () => context.close() };
  };
  return { tab, close: () => browser.close() };
}

/** It asks the internet nothing on its own account: there is none behind the laboratory's. */
const keepsToItself = {
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
};

async function inFirefox(host: Host): Promise<Person> {
  const tunnel = await openTunnel(host);
  const browser = await launch({
    browser: 'firefox',
    executablePath: host.wrap(firefoxProgram),
    headless: true,
    debuggingPort: tunnel.port,
    extraPrefsFirefox: { ...firefoxPreferences, ...keepsToItself },
  });
  const tab = async (by?: Relay) => {
    const context = await browser.createBrowserContext();
    const page = await context.newPage();
    if (by) await page.evaluateOnNewDocument(relayOnly, by);
    await page.evaluateOnNewDocument(spy);
    await page.evaluateOnNewDocument(prepare);
    const close = async () => {
      await page.close();
      await context.close();
    };
    return { goto: (url: string) => page.goto(url, loaded), evaluate: page.evaluate.bind(page), close } as unknown as Tab;
  };
  const close = async () => {
    await browser.close();
    tunnel.close();
  };
  return { tab, close };
}

/** Makes a port of this machine lead to the same port of another, where a browser will listen for its driver. */
async function openTunnel(host: Host): Promise<{ port: number; close: () => void }> {
  const server = createServer((from) => {
    const to = connect(file);
    from.pipe(to).pipe(from);
    from.on('error', () => to.destroy());
    to.on('error', () => from.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const file = join(folder, `${host.ns}-${port}.sock`);
  const far = spawn('ip', ['netns', 'exec', host.ns, process.execPath, join(import.meta.dirname, 'tunnel.mjs'), file, String(port)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(far.stdout, 'data');
  const close = () => {
    far.stdin.end();
    server.close();
  };
  return { port, close };
}
