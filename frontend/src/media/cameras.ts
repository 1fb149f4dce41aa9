/** Cameras on the server's network. Nothing here happens unless a person asks for it. */

import { fields, given, list, optionalNumber, optionalString, string } from '../client/fields';
import { rest } from './rest';

export interface Camera {
  name: string;
  address: string;
  /** Where it answers questions. */
  endpoint: string;
}

export interface CameraStream {
  name: string;
  /** Without user and password. */
  url: string;
  codec: string;
  width?: number;
  height?: number;
}

/** Looks for cameras; takes some seconds. Throws a Problem. */
export async function discover(signal: AbortSignal): Promise<Camera[]> {
  const f = fields(await rest('POST', 'cameras/discover', { body: {}, signal }), 'answer');
  return list(f.cameras).map((value) => {
    const c = fields(value, 'camera');
    const address = optionalString(c, 'address') ?? '';
    return { name: optionalString(c, 'name') || address || 'Camera', address, endpoint: string(c, 'endpoint') };
  });
}

/** The streams that a camera offers to this user. Throws a Problem. */
export async function streamsOf(camera: Camera, user: string, password: string, signal: AbortSignal): Promise<CameraStream[]> {
  const body = { endpoint: camera.endpoint, user, password };
  const f = fields(await rest('POST', 'cameras/streams', { body, signal }), 'answer');
  return list(f.streams).map((value) => {
    const s = fields(value, 'stream');
    return {
      name: optionalString(s, 'name') ?? '',
      url: string(s, 'url'),
      codec: optionalString(s, 'codec') ?? '',
      ...given('width', optionalNumber(s, 'width')),
      ...given('height', optionalNumber(s, 'height')),
    };
  });
}

/** The address with user and password in it, as a source wants it. */
export function withLogin(url: string, user: string, password: string): string {
  if (!user) return url;
  const login = `${encodeURIComponent(user)}:${encodeURIComponent(password)}@`;
  return url.replace(/^([a-z]+:\/\/)(?:[^@/?#]*@)?/i, (_, scheme: string) => scheme + login);
}
