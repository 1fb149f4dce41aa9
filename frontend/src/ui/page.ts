/** The tab's name and icon. */

/** Names the tab: "Harbour · Heliograph". */
export function title(text: string): void {
  document.title = text ? `${text} · Heliograph` : 'Heliograph';
}

/** While this tab is on air the disc of its icon is red. */
export function onAirIcon(on: boolean): void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel=icon]');
  if (icon) icon.href = on ? '/favicon-live.svg' : '/favicon.svg';
}
