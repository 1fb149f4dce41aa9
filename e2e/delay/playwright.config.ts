import { defineConfig } from '@playwright/test';
import { chromium } from '../lib/chromium';

const minutes = Number(process.env['HELIOGRAPH_MINUTES'] ?? 0);

export default defineConfig({
  testDir: '.',
  testMatch: minutes > 0 ? 'hours.spec.ts' : 'delay.spec.ts',
  outputDir: '../results/delay',
  workers: 1,
  timeout: 120_000 + minutes * 61_000,
  reporter: './reporter.ts',
  use: { launchOptions: chromium(), viewport: { width: 1280, height: 800 } },
});
