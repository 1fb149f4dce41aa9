/** What is kept for as long as this tab lives: it survives a reload. Where storage is blocked nothing is kept. */

const prefix = 'heliograph.';

export function tabItem(key: string): string | null {
  try {
    return sessionStorage.getItem(prefix + key);
  } catch {
    return null;
  }
}

/** Keeps a value; null removes it. */
export function keepInTab(key: string, value: string | null): void {
  try {
    if (value === null) sessionStorage.removeItem(prefix + key);
    else sessionStorage.setItem(prefix + key, value);
  } catch {
    // Storage is blocked or full.
  }
}
