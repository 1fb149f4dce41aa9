/** SDP fragments (RFC 8840 section 9): what an ICE restart over WHIP and WHEP says and is answered. Pure. */

/** The fragment that asks for the restart that an offer begins: its credentials, for the first m-section. */
export function restartFragment(offer: string): string {
  const lines = offer.split(/\r?\n/);
  const pick = (start: string) => lines.find((l) => l.startsWith(start));
  return [pick('a=ice-ufrag:'), pick('a=ice-pwd:'), pick('m='), pick('a=mid:')].filter((l) => l !== undefined).join('\r\n') + '\r\n';
}

/** The answer of before with the credentials and candidates of the fragment; null if the fragment has no credentials. */
export function restartedAnswer(answer: string, fragment: string): string | null {
  const said = fragment.split(/\r?\n/);
  const ufrag = said.find((l) => l.startsWith('a=ice-ufrag:'));
  const pwd = said.find((l) => l.startsWith('a=ice-pwd:'));
  if (!ufrag || !pwd) return null;
  const candidates = said.filter((l) => l.startsWith('a=candidate:'));
  const out: string[] = [];
  let first = true;
  for (const line of answer.split(/\r?\n/)) {
    if (line.startsWith('a=ice-ufrag:')) out.push(ufrag);
    else if (line.startsWith('a=ice-pwd:')) out.push(pwd);
    else if (!line.startsWith('a=candidate:')) out.push(line);
    else if (first && candidates.length > 0) (first = false), out.push(...candidates);
    else if (candidates.length === 0) out.push(line);
  }
  return out.join('\r\n');
}
