import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';

/** Answers when the test says so. */
class FakeWorker {
  static all: FakeWorker[] = [];
  onmessage: ((e: { data: number }) => void) | null = null;
  readonly asked: [number, number][] = [];
  constructor() {
    FakeWorker.all.push(this);
  }
  postMessage(what: [number, number]): void {
    this.asked.push(what);
  }
  ring(nth: number): void {
    this.onmessage?.({ data: this.asked[nth]?.[0] ?? -1 });
  }
}

const page = { hidden: false };
let later: typeof import('./later').later;
let every: typeof import('./later').every;

beforeEach(async () => {
  vi.useFakeTimers();
  FakeWorker.all = [];
  page.hidden = false;
  vi.stubGlobal('document', page);
  vi.stubGlobal('Worker', FakeWorker);
  vi.resetModules(); // each test begins without a worker
  ({ later, every } = await import('./later'));
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test('a visible tab needs no worker', () => {
  const fn = vi.fn();
  later(100, fn);
  const off = later(100, fn);
  off();
  vi.advanceTimersByTime(99);
  expect(fn).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  expect(fn).toHaveBeenCalledTimes(1);
  expect(FakeWorker.all).toEqual([]);
});

describe('in a hidden tab', () => {
  beforeEach(() => void (page.hidden = true));

  test('the worker rings first, and once', () => {
    const [first, second] = [vi.fn(), vi.fn()];
    later(100, first);
    later(150, second);
    expect(FakeWorker.all.length).toBe(1);
    expect(FakeWorker.all[0]?.asked.map(([, ms]) => ms)).toEqual([100, 150]);
    FakeWorker.all[0]?.ring(0);
    expect([first, second].map((f) => f.mock.calls.length)).toEqual([1, 0]);
    FakeWorker.all[0]?.ring(0);
    vi.advanceTimersByTime(100);
    expect([first, second].map((f) => f.mock.calls.length)).toEqual([1, 0]);
    FakeWorker.all[0]?.ring(1);
    expect(second).toHaveBeenCalledTimes(1);
  });

  test('what is called off does not ring', () => {
    const fn = vi.fn();
    later(100, fn)();
    FakeWorker.all[0]?.ring(0);
    vi.advanceTimersByTime(1000);
    expect(fn).not.toHaveBeenCalled();
  });

  test.each<[string, unknown]>([
    ['is silent', FakeWorker],
    ['is forbidden', class { constructor() { throw new DOMException('', 'SecurityError'); } }],
    ['is unknown', undefined],
  ])('where the worker %s, the page’s own timers ring', (_, Worker) => {
    vi.stubGlobal('Worker', Worker);
    const fn = vi.fn();
    later(100, fn);
    later(100, fn);
    vi.advanceTimersByTime(100);
    expect(fn).toHaveBeenCalledTimes(2);
  });
});

test('every rings again and again until it is called off, by its own call too', () => {
  const fn = vi.fn();
  const off = every(100, fn);
  vi.advanceTimersByTime(350);
  expect(fn).toHaveBeenCalledTimes(3);
  fn.mockImplementation(() => off());
  vi.advanceTimersByTime(1000);
  expect(fn).toHaveBeenCalledTimes(4);
});
