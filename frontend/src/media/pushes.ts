/** The servers that streams are sent on to. */

import { fields, given, list, oneOf, optionalNumber, optionalString, string } from '../client/fields';
import { Listing } from './listing';

const states = ['off', 'waiting', 'connecting', 'live', 'retrying'] as const;
export type PushState = (typeof states)[number];

export interface Push {
  id: string;
  stream: string;
  /** The target without its secrets. */
  url: string;
  enabled: boolean;
  /** It stands in the settings file and is changed there. */
  fixed: boolean;
  state: PushState;
  /** How it goes, in a sentence of the server. */
  text: string;
  /** Since when it is in this state, ms since 1970. */
  since?: number;
  /** When the next try comes, ms since 1970. */
  retryAt?: number;
  retries: number;
  /** Sent so far. */
  bytes: number;
}

const every = 2000;

export class PushesStore extends Listing<Push> {
  constructor() {
    super('pushes', every, (answer) => list(fields(answer, 'answer').pushes).map(parsePush));
  }

  /** Throws a Problem, as all of these do. */
  async add(stream: string, url: string): Promise<void> {
    await this.change('POST', 'pushes', { stream, url });
  }

  async turn(id: string, enabled: boolean): Promise<void> {
    await this.change('PATCH', `pushes/${encodeURIComponent(id)}`, { enabled });
  }

  async remove(id: string): Promise<void> {
    await this.change('DELETE', `pushes/${encodeURIComponent(id)}`);
  }
}

function parsePush(value: unknown): Push {
  const f = fields(value, 'push');
  return {
    id: string(f, 'id'),
    stream: string(f, 'stream'),
    url: string(f, 'url'),
    enabled: f.enabled === true,
    fixed: f.fixed === true,
    state: oneOf(f, 'state', states),
    text: optionalString(f, 'text') ?? '',
    retries: optionalNumber(f, 'retries') ?? 0,
    bytes: optionalNumber(f, 'bytes') ?? 0,
    ...given('since', optionalNumber(f, 'since')),
    ...given('retryAt', optionalNumber(f, 'retryAt')),
  };
}
