// @vitest-environment happy-dom
import { flushSync, mount, unmount, type Component } from 'svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import CopyField from './CopyField.svelte';
import { command, setKeys } from './keys';
import Meter from './Meter.svelte';
import { Status, status } from './status.svelte';
import StripChart from './StripChart.svelte';

let shown: Record<string, unknown>[] = [];

function show<P extends Record<string, unknown>>(part: Component<P>, props: P): HTMLElement {
  const target = document.createElement('div');
  document.body.append(target);
  shown.push(mount(part, { target, props }));
  flushSync();
  return target;
}

afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(shown.map((part) => unmount(part)));
  shown = [];
  document.body.replaceChildren();
});

describe('Meter', () => {
  it('is a meter with a reading in words', () => {
    const meter = show(Meter, { level: -18.3 }).querySelector('[role=meter]');
    expect(meter?.getAttribute('aria-label')).toBe('Microphone level');
    expect(meter?.getAttribute('aria-valuenow')).toBe('-18');
    expect(meter?.getAttribute('aria-valuetext')).toBe('−18 dB, good');
  });

  it.each([[-100, 0], [-60, 0], [-30, 16], [0, 32], [6, 32]])('lights %d dB as %d of 32 cells', (level, lit) => {
    const target = show(Meter, { level });
    expect(target.querySelectorAll('i')).toHaveLength(32);
    expect(target.querySelectorAll('i.on')).toHaveLength(lit);
    const now = Number(target.querySelector('[role=meter]')?.getAttribute('aria-valuenow'));
    expect(now).toBeGreaterThanOrEqual(-60);
    expect(now).toBeLessThanOrEqual(0);
  });
});

describe('StripChart', () => {
  const props = { label: 'Bitrate', value: '4.21', unit: 'Mb/s', least: 1 };

  it('says its value as text and hides the line from readers', () => {
    const target = show(StripChart, { ...props, points: [1, 2, null, 3] });
    expect(target.textContent?.replace(/\s+/g, ' ').trim()).toBe('Bitrate 4.21 Mb/s');
    expect(target.querySelector('svg')?.getAttribute('aria-hidden')).toBe('true');
    expect(target.querySelector('.spark')?.getAttribute('d')).not.toContain('NaN');
  });

  it('draws nothing before the first measurement', () => {
    const target = show(StripChart, { ...props, value: '–', points: [] });
    expect(target.querySelector('.spark')?.getAttribute('d')).toBe('');
  });

  it('marks the bars that matter', () => {
    const target = show(StripChart, { ...props, kind: 'bars', hit: 2, points: [0, 0.5, 2.8] });
    expect(target.querySelectorAll('.bar')).toHaveLength(2);
    expect(target.querySelectorAll('.bar.hit')).toHaveLength(1);
  });
});

describe('CopyField', () => {
  it('copies the whole value and says so', async () => {
    const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
    const button = show(CopyField, { value: 'https://live.example.org/watch/harbour', what: 'link' }).querySelector('button');
    expect(button?.getAttribute('aria-label')).toBe('Copy link');
    button?.click();
    await vi.waitFor(() => expect(status.text).toBe('Copied link.'));
    expect(writeText).toHaveBeenCalledWith('https://live.example.org/watch/harbour');
  });

  it('copies a secret whole and does not show it', async () => {
    const writeText = vi.spyOn(navigator.clipboard, 'writeText').mockResolvedValue();
    const target = show(CopyField, { value: 'hk_secret', shown: 'hk_••••', what: 'stream key' });
    expect(target.innerHTML).not.toContain('hk_secret');
    target.querySelector('button')?.click();
    await vi.waitFor(() => expect(writeText).toHaveBeenCalledWith('hk_secret'));
    expect(target.innerHTML).not.toContain('hk_secret');
  });

  it('shows a secret only to be copied by hand', async () => {
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no', 'NotAllowedError'));
    show(CopyField, { value: 'hk_secret', shown: 'hk_••••', what: 'stream key' }).querySelector('button')?.click();
    await vi.waitFor(() => expect(getSelection()?.toString()).toBe('hk_secret'));
  });

  it('leaves the text selected when the browser refuses the clipboard', async () => {
    vi.spyOn(navigator.clipboard, 'writeText').mockRejectedValue(new DOMException('no', 'NotAllowedError'));
    show(CopyField, { value: 'abc', what: 'key' }).querySelector('button')?.click();
    await vi.waitFor(() => expect(getSelection()?.toString()).toBe('abc'));
    expect(status.text).toMatch(/Ctrl\+C/);
  });
});

describe('Status', () => {
  it('says changes at most every 5 s, and only the last of them', () => {
    vi.useFakeTimers();
    const s = new Status();
    s.say('Connecting.');
    expect(s.text).toBe('Connecting.');
    s.say('Reconnecting.');
    s.say('Live.');
    expect(s.text).toBe('Connecting.');
    vi.advanceTimersByTime(5000);
    expect(s.text).toBe('Live.');
  });

  it('takes back what no longer holds, also what is still to be said', () => {
    vi.useFakeTimers();
    const s = new Status();
    s.say('Connecting.');
    s.say('Live.');
    s.say('');
    expect(s.text).toBe('');
    vi.advanceTimersByTime(5000);
    expect(s.text).toBe('');
  });

  it('answers a press at once', () => {
    vi.useFakeTimers();
    const s = new Status();
    s.say('Live.');
    s.flash('Copied link.');
    expect([s.text, s.toast]).toEqual(['Copied link.', 'Copied link.']);
    vi.advanceTimersByTime(3000);
    expect(s.toast).toBe('');
  });
});

describe('command', () => {
  function press(key: string, on: Element = document.body, o: KeyboardEventInit = {}) {
    let got: ReturnType<typeof command> = null;
    const hear = (e: Event) => (got = command(e as KeyboardEvent));
    document.addEventListener('keydown', hear);
    on.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, ...o }));
    document.removeEventListener('keydown', hear);
    return got;
  }

  function put(tag: string): Element {
    const e = document.createElement(tag);
    document.body.append(e);
    return e;
  }

  it('knows the keys of the player', () => {
    expect([press('k'), press(' '), press('M'), press('l'), press('x')]).toEqual(['play', 'play', 'mute', 'live', null]);
  });

  it('stays silent while typing, with a modifier, on a button for space, and when turned off', () => {
    expect(press('k', put('input'))).toBeNull();
    expect(press('k', document.body, { ctrlKey: true })).toBeNull();
    expect(press(' ', put('button'))).toBeNull();
    expect(press('k', put('button'))).toBe('play');
    setKeys(false);
    expect(press('k')).toBeNull();
    setKeys(true);
  });
});
