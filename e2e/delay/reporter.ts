import type { FullResult, Reporter, TestCase, TestResult } from '@playwright/test/reporter';

/** Prints what the measurements print, and what went wrong. */
export default class Figures implements Reporter {
  printsToStdio(): boolean {
    return true;
  }

  onStdOut(chunk: string | Buffer): void {
    process.stdout.write(chunk);
  }

  onTestEnd(test: TestCase, result: TestResult): void {
    if (result.status !== 'passed') console.log(`${test.title}: ${result.status}: ${result.error?.message ?? ''}`);
  }

  onError(error: { message?: string }): void {
    console.log(error.message);
  }

  onEnd(result: FullResult): void {
    if (result.status !== 'passed') console.log(result.status);
  }
}
