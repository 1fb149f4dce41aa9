import { defineConfig } from '@playwright/test';
import { chromium } from '../lib/chromium';

export default defineConfig({
  testDir: '.',
  testMatch: 'matrix.spec.ts',
  outputDir: '../results/matrix',
  workers: 2,
  fullyParallel: true,
  timeout: 90_000,
  globalSetup: './prepare.ts',
  reporter: './reporter.ts',
  use: { launchOptions: chromium(), viewport: { width: 1280, height: 800 } },
});
