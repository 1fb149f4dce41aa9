import { defineConfig } from '@playwright/test';
import { chromium } from './lib/chromium';

/** Makes the pictures of every page: `npm run screenshots`. */
export default defineConfig({
  testDir: 'screenshots',
  outputDir: 'results',
  workers: 1,
  timeout: 300_000,
  use: { launchOptions: chromium() },
});
