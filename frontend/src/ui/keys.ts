/** Keys of the player. Single keys can be switched off (WCAG 2.1.4). */
import { keep, recall } from './storage';

export type Command = 'play' | 'mute' | 'live' | 'pip' | 'stats' | 'fullscreen' | 'theatre';

export const keys: { key: string; command: Command; what: string }[] = [
  { key: 'k', command: 'play', what: 'Play or pause (also space)' },
  { key: 'm', command: 'mute', what: 'Sound on or off' },
  { key: 'L', command: 'live', what: 'Jump to live' },
  { key: 'i', command: 'stats', what: 'Numbers about the picture' },
  { key: 'p', command: 'pip', what: 'Picture in picture' },
  { key: 't', command: 'theatre', what: 'Theatre' },
  { key: 'f', command: 'fullscreen', what: 'Full screen' },
];

/** The command of a key press, or null: while typing, with a modifier, or when keys are off. */
export function command(e: KeyboardEvent): Command | null {
  if (e.defaultPrevented || e.ctrlKey || e.metaKey || e.altKey || !keysOn()) return null;
  const target = e.target instanceof Element ? e.target : null;
  if (target?.closest('input, textarea, select, [contenteditable], dialog, [popover]')) return null;
  // Space presses the control that has the focus; only elsewhere it plays.
  if (e.key === ' ') return target?.closest('button, a, summary') ? null : 'play';
  return keys.find((k) => k.key.toLowerCase() === e.key.toLowerCase())?.command ?? null;
}

export function keysOn(): boolean {
  return recall('keys') !== 'off';
}

export function setKeys(on: boolean): void {
  keep('keys', on ? 'on' : 'off');
}
