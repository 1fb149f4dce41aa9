import type { Server } from '../lib/server';

interface Line {
  level: string;
  msg: string;
  stream?: string;
  reason?: string;
  codecs?: unknown;
  left?: unknown;
}

/** What the server's log (JSON) says of a stream that did not go through as it came. */
export function logged(server: Server, stream: string): string[] {
  const found = server.log.split('\n').flatMap((text): string[] => {
    if (!text.startsWith('{')) return [];
    const line = JSON.parse(text) as Line;
    if (line.stream !== stream) return [];
    const left = String(line.codecs ?? line.left ?? '');
    if (left !== '') return [`${line.msg}: left out ${left}`];
    return line.level === 'WARN' || line.level === 'ERROR' ? [`${line.msg}: ${line.reason ?? ''}`] : [];
  });
  return [...new Set(found)];
}

export interface Info {
  name: string;
  state: string;
  tracks: { kind: string; codec: string }[];
  diagnoses?: { code: string; kind: string; text: string; fix: string }[];
}

/** The stream as the API shows it. */
export async function shown(server: Server, stream: string): Promise<Info | undefined> {
  const answer = await fetch(`${server.url}/api/v1/streams/${stream}`);
  return answer.ok ? ((await answer.json()) as Info) : undefined;
}
