import { defineConfig } from '@playwright/test';
import { chromium } from './lib/chromium';

export default defineConfig({
  testDir: 'tests',
  outputDir: 'results',
  workers: 1, // two cores: a publisher and a viewer encode and decode for real
  timeout: 120_000,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  // A shared machine can stall a browser for seconds. What needed its second try is listed as flaky, and is to be mended.
  retries: process.env['CI'] ? 1 : 0,
  use: { launchOptions: chromium(), viewport: { width: 1280, height: 800 }, screenshot: 'only-on-failure', actionTimeout: 20_000 },
});
