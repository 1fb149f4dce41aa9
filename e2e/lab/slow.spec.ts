import { openStream, picture } from './app';
import { moments, type Received, received, way } from './page';
import { browsers, person, type Tab } from './person';
import { Watch } from './recovery';
import { fill } from './rows';
import { test } from './world';

const pause = (seconds: number) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));

/** What came in a while. */
interface Span extends Received {
  rate: number;
}

function span(before: Received, after: Received, seconds: number): Span {
  const of = (k: keyof Received) => after[k] - before[k];
  return { frames: of('frames'), keyframes: of('keyframes'), packets: of('packets'), lost: of('lost'), freezes: of('freezes'), rate: of('frames') / seconds };
}

/** What several tabs receive in the same while, and how long that was by the clock. */
async function measure(tabs: Tab[], seconds: number): Promise<Span[]> {
  const begin = Date.now();
  const before = await Promise.all(tabs.map(received));
  await pause(seconds);
  const after = await Promise.all(tabs.map(received));
  return tabs.map((_, i) => span(before[i] as Received, after[i] as Received, (Date.now() - begin) / 1000));
}

const said = (s: Span) => `${s.rate.toFixed(1)} frames/s, ${s.keyframes} keyframes, ${s.lost} packets lost, ${s.freezes} freezes`;

test('slow link beside a fast one', { tag: '@ci' }, async ({ world }, info) => {
  const encoder = world.stream('wide', { size: '640x360', kbps: 1500, keyframe: 3 });
  const site = await world.internet.site('port-restricted');
  const someone = await person('Chromium', site.client, world.url);
  const row = { table: 'more', browser: 'Chromium', does: 'view' } as const;
  try {
    const [slow, fast] = [await someone.tab(), await world.elsewhere.tab()];
    for (const tab of [slow, fast]) {
      await openStream(tab, world.url, 'wide');
      await picture(tab);
    }
    await pause(2);
    const [slowBefore, fastBefore] = (await measure([slow, fast], 5)) as [Span, Span];
    await site.line.set('down.rate=1e6 down.queue=32000');
    await pause(5); // the server may need some seconds to see it
    const entering = (await site.line.set()).down;
    const [slowThen, fastThen] = (await measure([slow, fast], 10)) as [Span, Span];
    const leaving = (await site.line.set('down.rate=0')).down;
    const back = Date.now();
    const recovery = await Watch.of(slow);

    await fill(info, { ...row, net: '1 Mbit/s of 1.5', goal: 5000, limit: 10_000 }, async (found) => {
      const overrun = leaving.overrun - entering.overrun;
      const sent = leaving.passed - entering.passed + overrun;
      found.figures = `before: ${said(slowBefore)}; then: ${said(slowThen)}; the queue dropped ${overrun} of ${sent} packets in 10 s, and ${entering.overrun} in the 5 s before`;
      found.ms = await recovery.after(back, 20);
      found.way = await way(slow);
      if (slowThen.frames === 0) throw new Error('it stood still while the link was slow');
      if (overrun > sent / 10) throw new Error('the server goes on sending what the link cannot carry, instead of skipping to keyframes');
    });
    await fill(info, { ...row, net: 'a fast one beside', goal: null }, async (found) => {
      found.figures = `before: ${said(fastBefore)}; then: ${said(fastThen)}`;
      found.way = await way(fast);
      if (fastThen.rate < fastBefore.rate * 0.9 || fastThen.lost > 0) throw new Error('the slow viewer changed what the fast one sees');
    });
    await fast.close();
  } finally {
    await someone.close();
    await encoder.stop();
    site.close();
  }
});

for (const [megabits, browser] of [10, 8].flatMap((m) => browsers.map((b) => [m, b] as const))) {
  test(`slow link of ${megabits} Mbit/s and keyframes ${browser}`, async ({ world }, info) => {
    const encoder = world.stream('bursts', { size: '1280x720', kbps: 3000, keyframe: 10 });
    const site = await world.internet.site('port-restricted');
    const someone = await person(browser, site.client, world.url);
    const row = { table: 'more', browser, does: 'view' } as const;
    try {
      await pause(3); // some history, which newcomers get first
      const tab = await someone.tab();
      await site.line.set(`down.rate=${megabits}e6 down.queue=64000`);
      await fill(info, { ...row, net: `keyframes, ${megabits} Mbit/s`, goal: null }, async (found) => {
        await openStream(tab, world.url, 'bursts');
        const opened = (await site.line.set()).down;
        found.ms = (await picture(tab)) - (await moments(tab)).clicked;
        await pause(2);
        const joined = (await site.line.set()).down;
        const [seen] = (await measure([tab], 10)) as [Span];
        const end = (await site.line.set()).down;
        found.figures = `${said(seen)}; the queue of 64 kB held ${(end.deepest / 1000).toFixed(0)} kB at most and dropped ${end.overrun - joined.overrun} packets in 10 s, ${joined.overrun - opened.overrun} of ${joined.passed - opened.passed} when the viewer joined`;
        found.way = await way(tab);
        if (end.overrun > joined.overrun) throw new Error('keyframes overrun the link: they are not spaced');
        if (joined.overrun > opened.overrun) throw new Error('the history that a newcomer gets overruns the link: it is not spaced');
      });
    } finally {
      await someone.close();
      await encoder.stop();
      site.close();
    }
  });
}
