/** The theme follows the system until a person picks the other one; /theme.js applies the choice before the first paint. */
import { keep } from './storage';

export type Theme = 'dark' | 'light';

export function currentTheme(): Theme {
  return getComputedStyle(document.documentElement).colorScheme.includes('light') ? 'light' : 'dark';
}

export function switchTheme(): Theme {
  const theme: Theme = currentTheme() === 'light' ? 'dark' : 'light';
  document.documentElement.dataset.theme = theme;
  keep('theme', theme);
  return theme;
}
