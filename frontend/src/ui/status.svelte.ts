/** The page's one role=status and its toasts. State changes are said once each, at most every 5 s; an answer to a press at once. */

const gap = 5000;

export class Status {
  /** What the live region holds. */
  text = $state('');
  /** The toast that is shown, '' for none. */
  toast = $state('');

  #last = -Infinity;
  #next: ReturnType<typeof setTimeout> | undefined;
  #hide: ReturnType<typeof setTimeout> | undefined;

  /** Announces a change of state. When several come within the gap, only the last is said. '' takes the last one back. */
  say(text: string): void {
    clearTimeout(this.#next);
    if (!text) this.text = '';
    if (!text || text === this.text) return;
    const wait = this.#last + gap - performance.now();
    if (wait <= 0) this.#put(text);
    else this.#next = setTimeout(() => this.#put(text), wait);
  }

  /** Shows and says the result of what a person just did. */
  flash(text: string): void {
    clearTimeout(this.#hide);
    this.toast = text;
    this.#put(text);
    this.#hide = setTimeout(() => (this.toast = ''), 3000);
  }

  #put(text: string): void {
    this.text = text;
    this.#last = performance.now();
  }
}

export const status = new Status();
