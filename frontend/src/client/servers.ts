/** ICE servers in Link headers, as WHIP has them (RFC 9725 section 4.6). */

/** The servers of a response, one for each link. */
export function linkedServers(headers: Headers): RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const [, url, rest] of (headers.get('Link') ?? '').matchAll(/<([^<>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:"(?:[^"\\]|\\.)*"|[^\s;,"]+))*)/g)) {
    const is = parameters(rest ?? '');
    if (!url || !(is.get('rel') ?? '').split(/\s+/).includes('ice-server')) continue;
    const username = is.get('username');
    const credential = is.get('credential');
    servers.push({ urls: url, ...(username !== undefined && { username }), ...(credential !== undefined && { credential }) });
  }
  return servers;
}

function parameters(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name, quoted, bare] of text.matchAll(/;\s*([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;,"]+))/g)) {
    if (name) found.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, '$1') ?? bare ?? '');
  }
  return found;
}
