/** Signing out, wherever the button is. */
import type { AppContext } from '../app';
import { status } from './status.svelte';

export async function signOut(app: AppContext): Promise<void> {
  try {
    await app.session.signOut();
    await app.changed();
    status.flash('Signed out.');
  } catch (problem) {
    status.flash((problem as { message: string }).message);
  }
}
