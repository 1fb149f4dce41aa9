/** The one error type of this library. */

import type { Failure, Stopped } from './wire';

/**
 * A request that failed or a session that ended. `code` is one of the protocol's codes or one of this
 * library's own: `connection_lost` (the socket closed), `timeout` (no answer came), `unreachable` (no
 * path for media was found), `failed` (the path for media broke, another is looked for), `renewed` (ended to
 * be opened anew).
 */
export class ProtocolError extends Error {
  readonly code: string;
  /** The codec that `unsupported_codec` is about. */
  readonly codec: string | undefined;
  /** Seconds to wait before the next try, when the server said so. */
  readonly retryAfter: number | undefined;

  constructor(code: string, message: string, more: { codec?: string; retryAfter?: number } = {}) {
    super(message);
    this.name = 'ProtocolError';
    this.code = code;
    this.codec = more.codec;
    this.retryAfter = more.retryAfter;
  }

  static from(m: Failure | Stopped): ProtocolError {
    return new ProtocolError(m.code, m.message, m);
  }
}

/** Whatever was thrown, as a ProtocolError; what is not one becomes `internal`. */
export function asProtocolError(thrown: unknown): ProtocolError {
  if (thrown instanceof ProtocolError) return thrown;
  return new ProtocolError('internal', thrown instanceof Error ? thrown.message : String(thrown));
}
