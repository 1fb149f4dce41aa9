/** How a publication's link makes a studio's phase. Pure. */

import type { Link } from '../client/keeper';
import type { StreamInfo, StudioPhase } from './types';

/** The next phase, given the present one. */
export function studioPhase(link: Link, stream: StreamInfo | null, present: StudioPhase): StudioPhase {
  const wasLive = present === 'live' || present === 'reconnecting';
  switch (link) {
    case 'up':
      // On air is what the server says. One that does not tell the state (the key covers publishing only) cannot be asked.
      return stream === null || stream.state === 'live' || wasLive ? 'live' : 'connecting';
    case 'parked':
      // A refusal before going on air leads back to the choices; later, there was something that ended.
      return wasLive || present === 'ended' ? 'ended' : 'ready';
    case 'interrupted':
      return 'reconnecting';
    default:
      return wasLive ? 'reconnecting' : present === 'ended' ? 'ended' : 'connecting';
  }
}
