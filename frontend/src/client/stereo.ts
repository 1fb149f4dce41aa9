/**
 * A browser decodes Opus to one channel unless its own description says that it wants two (RFC 7587 section 7.1,
 * `stereo`), and no API sets that. Returns the offer with it said.
 */
export function wantStereo(sdp: string): string {
  const types = [...sdp.matchAll(/^a=rtpmap:(\d+) opus\/48000\/2\r?$/gim)].map((m) => m[1]);
  return sdp.replace(/^a=fmtp:(\d+) .*?(?=\r?$)/gm, (line, type: string) =>
    types.includes(type) && !/[ ;]stereo=/.test(line) ? `${line};stereo=1` : line,
  );
}
