/** What a person is told for each code of the wire protocol, of the REST interface and of this client. */

import type { ProtocolError } from '../client/errors';
import { codecLabel } from './codecs';
import type { Diagnosis, Problem } from './types';

export type Side = 'watching' | 'publishing';

interface Words {
  title: string;
  message: string;
  action?: Problem['action'];
}

/** Diagnoses that do not tell why a stream is refused: it plays, if badly, or it does in other browsers. */
const elsewhere = new Set(['long_gop', 'h265']);

const words: Record<string, Words> = {
  bad_request: { title: 'The server did not take the request', message: 'This page and the server do not fit together. Reload the page to get the current one.', action: 'retry' },
  bad_version: { title: 'This page is older than the server', message: 'The server was updated. Reload the page to get the current one.', action: 'retry' },
  bad_name: { title: 'This name is not allowed', message: 'Names have letters, digits, dots, dashes and underscores. Choose another one.', action: 'rename' },
  throttled: { title: 'Too many tries', message: 'The server takes a break from this address. The next try comes by itself.' },
  internal: { title: 'The server had a fault', message: 'It is noted in the server’s log. The next try comes by itself.', action: 'retry' },
  shutdown: { title: 'The server has stopped', message: 'The page connects again by itself as soon as it is back.' },
  lost: { title: 'The connection dropped', message: 'Nothing arrived for a while. Connecting again.' },
  failed: { title: 'The connection broke', message: 'Looking for another path to the server.' },
  unreachable: { title: 'No path for media', message: 'The network between here and the server blocks UDP and TCP to its port. Another network or turning a VPN off may help. Trying again.', action: 'retry' },
  connection_lost: { title: 'The server does not answer', message: 'It may be restarting, or the network is down. Trying again.', action: 'retry' },
  timeout: { title: 'The server does not answer', message: 'It may be busy, or the network is slow. Trying again.', action: 'retry' },
  offline: { title: 'You are offline', message: 'This device has no network. Everything goes on by itself when it is back.' },
  no_session: { title: 'The session is gone', message: 'The server no longer knows it. Connecting again.' },
  expired: { title: 'The access has run out', message: 'The time of the key or link is over. Sign in, or ask for a new one.', action: 'signin' },
  unauthenticated: { title: 'Sign in first', message: 'This needs an account. Sign in, then do it again.', action: 'signin' },
  denied: { title: 'This account may not do that', message: 'Sign in with an account that may, or ask the server’s owner.', action: 'signin' },
  wrong_password: { title: 'The name or password is wrong', message: 'Check both. Many cameras have a user of their own for video.' },
  no_video: { title: 'No video that can be carried', message: 'The address answers, but what it sends cannot be passed on.' },
  refused: { title: 'This address is not allowed', message: 'It is on the server’s own or a private network. An admin can allow that for a source.' },
  switched_off: { title: 'This server does not offer that', message: 'It was started without it. Its owner can switch it on in the settings.' },
  http_404: { title: 'Not found', message: 'The server does not have this. It may be newer or older than the page: reload it.' },
  no_webrtc: { title: 'This browser has no WebRTC', message: 'It is missing or turned off in the settings. Open the page in another browser.' },
  insecure: { title: 'The camera needs a secure page', message: 'Browsers give cameras and microphones only to https:// pages and to http://localhost. Open the studio over https, or on the server itself.' },
  camera_blocked: { title: 'The browser blocked the camera', message: 'Allow it in the address bar, then press Check again.', action: 'devices' },
  microphone_blocked: { title: 'The browser blocked the microphone', message: 'Allow it in the address bar, then press Check again.', action: 'devices' },
  devices_blocked: { title: 'The browser blocked camera and microphone', message: 'Allow them in the address bar, then press Check again.', action: 'devices' },
  camera_missing: { title: 'No camera found', message: 'Plug one in, share the screen instead, or go on air with sound only.', action: 'devices' },
  microphone_missing: { title: 'No microphone found', message: 'Plug one in, or go on air without sound.', action: 'devices' },
  devices_missing: { title: 'No camera and no microphone found', message: 'Plug one in, or share the screen instead.', action: 'devices' },
  camera_busy: { title: 'Another program uses the camera', message: 'Close that program or choose another camera, then press Check again.', action: 'devices' },
  microphone_busy: { title: 'Another program uses the microphone', message: 'Close that program or choose another microphone, then press Check again.', action: 'devices' },
  devices_busy: { title: 'Another program uses camera or microphone', message: 'Close that program, then press Check again.', action: 'devices' },
  camera_gone: { title: 'The camera is gone', message: 'It was unplugged or taken away. Choose another camera, or plug it in again.', action: 'devices' },
  microphone_gone: { title: 'The microphone is gone', message: 'It was unplugged or taken away. Choose another microphone, or plug it in again.', action: 'devices' },
  screen_blocked: { title: 'The screen is not shared', message: 'The browser or the system did not allow it. Allow screen recording for the browser in the system settings, then try again.' },
  screen_missing: { title: 'This browser cannot share the screen', message: 'Phones cannot, computers can. Use the camera, or a browser on a computer.' },
  codec_missing: { title: 'This browser cannot encode that format', message: 'Choose another one; VP8 plays everywhere.' },
  nothing_to_send: { title: 'Nothing to send yet', message: 'Choose a camera or a microphone, or share the screen.', action: 'devices' },
  aborted: { title: 'Stopped', message: 'The request was called off.' },
};

const watching: Record<string, Words> = {
  unauthenticated: { title: 'This stream is not public', message: 'Sign in to watch it, or open the link that its owner sent.', action: 'signin' },
  denied: { title: 'You may not watch this stream', message: 'The account or link does not cover it. Sign in with another account, or ask its owner.', action: 'signin' },
  not_live: { title: 'Not live yet', message: 'Playing starts by itself when the stream goes live.' },
  ended: { title: 'The stream has ended', message: 'If it comes back, playing starts by itself.' },
  replaced: { title: 'Watching elsewhere', message: 'This viewing went on in another place. Press Retry to watch here.', action: 'retry' },
};

const publishing: Record<string, Words> = {
  unauthenticated: { title: 'Sign in to go on air', message: 'Publishing needs an account or a stream key. Sign in, then go on air again.', action: 'signin' },
  wrong_key: { title: 'The key does not fit this name', message: 'The stream key is wrong, or it is for another stream name. Check both, then go live again.' },
  denied: { title: 'You may not publish here', message: 'The account or key does not cover this name. Choose another name, or sign in with another account.', action: 'rename' },
  busy: { title: 'This name is on air', message: 'Somebody else publishes under it now. Choose another name, or wait until they end.', action: 'rename' },
  replaced: { title: 'On air elsewhere', message: 'The same stream was started in another window or on another device and goes on there. Press Retry to take it back.', action: 'retry' },
  ended: { title: 'The stream was ended', message: 'It was ended from the server’s side. Press Retry to go on air again.', action: 'retry' },
  not_live: { title: 'The stream is gone', message: 'The server no longer has it. Going on air again.' },
  unsupported_codec: { title: 'The server cannot take this video', message: 'This browser offers no codec that the server passes on. Choose VP8, or use a current browser.', action: 'devices' },
};

/** The words for a publication that was refused or ended; `keyed` when a person typed a key for it. */
export function publishingProblem(why: ProtocolError, keyed: boolean): Problem {
  const refused = why.code === 'unauthenticated' || why.code === 'denied';
  return keyed && refused ? { ...(publishing.wrong_key as Words), code: 'wrong_key' } : problemOf(why, 'publishing');
}

/** The words for a failed request or an ended session. */
export function problemOf(why: ProtocolError, side: Side, diagnoses: Diagnosis[] = []): Problem {
  if (why.code === 'unsupported_codec' && side === 'watching') return cannotPlay(why, diagnoses);
  const special = side === 'watching' ? watching : publishing;
  const w = special[why.code] ?? words[why.code];
  // An unknown code of a newer server still has its sentence.
  if (!w) return { code: why.code, title: 'That did not work', message: sentence(why.message), action: 'retry' };
  // Elsewhere it is the page that knows when it tries.
  const message = why.code === 'throttled' && why.retryAfter ? `${w.message} Next try in ${Math.ceil(why.retryAfter)} s.` : w.message;
  return { ...w, message, code: why.code };
}

/** The words for a code without an error behind it. */
export function problem(code: string): Problem {
  const w = words[code] ?? { title: 'That did not work', message: 'Try again.', action: 'retry' as const };
  return { ...w, code };
}

/** What the server found says more than the name of a codec: a stream of H.264 may have what browsers do not show. */
function cannotPlay(why: ProtocolError, diagnoses: Diagnosis[]): Problem {
  const d = diagnoses.find((x) => x.kind === 'video' && !elsewhere.has(x.code));
  if (!d) return cannotDecode(why.codec);
  return { code: why.code, title: 'Browsers cannot play this stream', message: sentence(d.text), action: 'retry' };
}

function cannotDecode(codec = ''): Problem {
  const name = codec && codecLabel(codec);
  return {
    code: 'unsupported_codec',
    title: 'This browser cannot play it',
    message: name
      ? `The stream sends ${name}, which this browser does not decode. Open the page in another browser, or ask the broadcaster to send VP8 or H.264.`
      : 'The stream sends a format that this browser does not decode. Open the page in another browser, or ask the broadcaster to send VP8 or H.264.',
    action: 'retry',
  };
}

export function sentence(message: string): string {
  const m = message || 'the server refused the request';
  return m.charAt(0).toUpperCase() + m.slice(1) + (/[.!?]$/.test(m) ? '' : '.');
}
