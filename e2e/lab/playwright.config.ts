import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  outputDir: '../results/lab',
  workers: 1, // two cores, and times are measured
  timeout: 120_000,
  retries: process.env['CI'] ? 1 : 0,
  reporter: './reporter.ts',
});
