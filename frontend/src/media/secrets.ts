/** The secrets that take a publication over after a reload, kept per stream for as long as the tab lives. */

const prefix = 'heliograph.resume.';

export function resumeSecret(stream: string): string | undefined {
  try {
    return sessionStorage.getItem(prefix + stream) ?? undefined;
  } catch {
    return undefined; // the browser's settings forbid storage: a reload then waits until the old session is lost
  }
}

export function keepResumeSecret(stream: string, secret: string | null): void {
  try {
    if (secret === null) sessionStorage.removeItem(prefix + stream);
    else sessionStorage.setItem(prefix + stream, secret);
  } catch {
    // as above
  }
}
