/** The addresses that the server pulls streams from. */

import { fields, given, list, oneOf, optionalNumber, optionalString, string } from '../client/fields';
import { parseDiagnosis, parseTrack } from '../client/stream';
import { Listing } from './listing';
import { rest } from './rest';
import type { Diagnosis, TrackInfo } from './types';

export const transports = ['auto', 'tcp', 'udp'] as const;
export const times = ['always', 'watched'] as const;
const states = ['off', 'waiting', 'connecting', 'live', 'wrong_password', 'no_video', 'unreachable', 'frozen', 'refused'] as const;

export type Transport = (typeof transports)[number];
export type When = (typeof times)[number];
export type SourceState = (typeof states)[number];

/** What a person says about a source. */
export interface SourceChoice {
  /** Its password reads *** once the server has it; sent back so, it stays as it is. */
  url: string;
  transport: Transport;
  when: When;
  /** Its address may be on the server's own or a private network. */
  private: boolean;
}

export interface Source extends SourceChoice {
  stream: string;
  /** It stands in the settings file and is changed there. */
  fixed: boolean;
  state: SourceState;
  /** How it goes, in a sentence of the server. */
  text: string;
  /** Since when it is in this state, ms since 1970. */
  since?: number;
  /** When the next try comes, ms since 1970. */
  retryAt?: number;
}

/** What a test of an address found. */
export interface Found {
  tracks: TrackInfo[];
  diagnoses: Diagnosis[];
}

const every = 2000;

export class SourcesStore extends Listing<Source> {
  constructor() {
    super('sources', every, (answer) => list(fields(answer, 'answer').sources).map(parseSource));
  }

  /** Makes a source or changes it. Throws a Problem. */
  async put(stream: string, choice: SourceChoice): Promise<void> {
    await this.change('PUT', `sources/${encodeURIComponent(stream)}`, choice);
  }

  /** Throws a Problem. */
  async remove(stream: string): Promise<void> {
    await this.change('DELETE', `sources/${encodeURIComponent(stream)}`);
  }
}

/** Asks the server to connect to an address and to say what it sends. Throws a Problem. */
export async function testSource(choice: SourceChoice & { stream?: string }, signal: AbortSignal): Promise<Found> {
  const { url, transport, stream } = choice;
  const body = { url, transport, private: choice.private, ...given('stream', stream) };
  const f = fields(await rest('POST', 'sources/test', { body, signal }), 'answer');
  return { tracks: list(f.tracks).map(parseTrack), diagnoses: list(f.diagnoses).map(parseDiagnosis) };
}

function parseSource(value: unknown): Source {
  const f = fields(value, 'source');
  return {
    stream: string(f, 'stream'),
    url: string(f, 'url'),
    transport: oneOf(f, 'transport', transports),
    when: oneOf(f, 'when', times),
    private: f.private === true,
    fixed: f.fixed === true,
    state: oneOf(f, 'state', states),
    text: optionalString(f, 'text') ?? '',
    ...given('since', optionalNumber(f, 'since')),
    ...given('retryAt', optionalNumber(f, 'retryAt')),
  };
}
