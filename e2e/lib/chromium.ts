import type { LaunchOptions } from '@playwright/test';

/** Debian's Chromium with a fake camera and microphone. `more` are further flags. */
export function chromium(...more: string[]): LaunchOptions {
  return {
    executablePath: process.env['CHROMIUM'] ?? '/usr/bin/chromium',
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
