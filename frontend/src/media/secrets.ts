/** The secrets that a tab keeps through a reload: those that take a publication over, and those of links. */

import { keepInTab, tabItem } from './tab';

export function resumeSecret(stream: string): string | undefined {
  // Without it a reload waits until the old session is lost.
  return tabItem(`resume.${stream}`) ?? undefined;
}

export function keepResumeSecret(stream: string, secret: string | null): void {
  keepInTab(`resume.${stream}`, secret);
}

/**
 * The token of the link that was opened, or else the one that this tab kept under the same name. Links lose
 * their tokens in the address bar, so that they are not read there or handed on by mistake.
 */
export function linkToken(name: string, given: string): string {
  if (given) keepInTab(`link.${name}`, given);
  return given || (tabItem(`link.${name}`) ?? '');
}

/** Forgets the token of a link that was used or refused. */
export function forgetLinkToken(name: string): void {
  keepInTab(`link.${name}`, null);
}
