import { defineConfig } from '@playwright/test';

export default defineConfig({
  testDir: '.',
  outputDir: '../results/lab',
  workers: 1, // two cores, and times are measured
  timeout: 120_000,
  reporter: './reporter.ts',
});
