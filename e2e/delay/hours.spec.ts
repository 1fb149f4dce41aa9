import { address } from '../lib/encoder';
import { expect, plays, test } from '../lib/test';
import { clock } from './clock';
import { median, offsets, stamped } from './figures';
import { measure } from './page';

const minutes = Number(process.env['HELIOGRAPH_MINUTES'] ?? 0);

test('delay and lips, minute by minute', async ({ server, person }) => {
  const camera = clock('rtmp', address(server.at, 'rtmp', 'publish', 'harbour'), { audio: 'aac', seconds: minutes * 60 + 60 });
  try {
    const page = await person();
    await page.goto('/watch/harbour');
    await plays(page);
    console.log('minute  picture (ms)  sound (ms)  sound later than picture (ms)  of which stamps (ms)  pictures');
    const seen: number[] = [];
    for (let minute = 1; minute <= minutes; minute++) {
      const m = await measure(page, 60);
      const row = [median(m.video), median(m.audio), median(offsets(m)), median(stamped(m))].map((v) => v.toFixed(0));
      console.log(`${String(minute).padStart(6)}  ${row[0]?.padStart(12)}  ${row[1]?.padStart(10)}  ${row[2]?.padStart(29)}  ${row[3]?.padStart(20)}  ${String(m.video.length).padStart(8)}`);
      seen.push(m.video.length);
    }
    expect(Math.min(...seen), 'the picture never stood still').toBeGreaterThan(300);
  } finally {
    await camera.stop();
  }
});
