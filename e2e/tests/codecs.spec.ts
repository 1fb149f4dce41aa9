import { expect, goLive, onAir, plays, test } from '../lib/test';
import { heard } from '../lib/probe';

for (const codec of ['VP8', 'H264', 'VP9', 'AV1']) {
  test(`${codec} from Chromium to Chromium`, async ({ person }) => {
    const studio = await person({ devices: true });
    await goLive(studio, 'harbour', { codec });
    await onAir(studio);
    const viewer = await person();
    await viewer.goto('/watch/harbour');
    await plays(viewer);
    expect((await heard(viewer)).codec).toBe(`video/${codec}`);
  });
}
