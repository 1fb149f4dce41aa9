import { expect, test } from 'vitest';

import { wantStereo } from './stereo';

const offer = (fmtp: string) =>
  ['v=0', 'a=rtpmap:111 opus/48000/2', fmtp, 'a=rtpmap:96 VP8/90000', 'a=fmtp:96 max-fs=12288', ''].join('\r\n');

test('asks for two channels of Opus, and changes nothing else', () => {
  expect(wantStereo(offer('a=fmtp:111 minptime=10;useinbandfec=1'))).toBe(
    offer('a=fmtp:111 minptime=10;useinbandfec=1;stereo=1'),
  );
});

test('leaves a description that says so already', () => {
  for (const said of ['a=fmtp:111 stereo=1', 'a=fmtp:111 minptime=10;stereo=0']) {
    expect(wantStereo(offer(said))).toBe(offer(said));
  }
  expect(wantStereo(offer('a=fmtp:111 sprop-stereo=1'))).toBe(offer('a=fmtp:111 sprop-stereo=1;stereo=1'));
});
