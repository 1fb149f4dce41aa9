import { type Browser, chromium as playwright, type LaunchOptions, type Page } from '@playwright/test';
import { spy } from './probe';

/** Where Chromium is. */
export const program = process.env['CHROMIUM'] ?? '/usr/bin/chromium';

/** Debian's Chromium with a fake camera and microphone. `more` are further flags. */
export function chromium(...more: string[]): LaunchOptions {
  return {
    executablePath: program,
    args: [
      '--no-sandbox',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--use-fake-device-for-media-stream=fps=30',
      '--autoplay-policy=no-user-gesture-required',
      ...more,
    ],
  };
}

/** A Chromium of its own that takes `url` for a safe origin, and a page in it. `executable` may be a wrapper that starts it elsewhere. */
export async function visitor(url: string, devices: boolean, executable = program): Promise<{ browser: Browser; page: Page }> {
  const o = chromium(`--unsafely-treat-insecure-origin-as-secure=${url}`);
  const browser = await playwright.launch({ ...o, executablePath: executable });
  const context = await browser.newContext({ baseURL: url, permissions: devices ? ['camera', 'microphone'] : [] });
  await context.addInitScript(spy);
  return { browser, page: await context.newPage() };
}
