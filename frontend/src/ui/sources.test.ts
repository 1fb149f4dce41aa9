import { describe, expect, it } from 'vitest';
import type { Encoders } from '../media/encoders';
import type { Source } from '../media/sources';
import type { StreamInfo } from '../media/types';
import { Doors, keyPlaceholder, maskedKey } from './addresses';
import { bytes } from './format';
import { ffmpegRecipes, gstreamerRecipes, larixLink } from './recipes';
import { arrivalFacts, arrivalStatus, diagnosisTitle, sourceGoing } from './sourcewords';
import { targetName, targetOf } from './targets';

const encoders: Encoders = {
  host: 'h', whip: 'https://h/whip', rtsp: 'rtsp://h:8554', srt: 'srt://h:8890', rtmp: 'rtmp://h:1935/live', rtmps: 'rtmps://h:1936/live',
  transcoder: true, encrypted: false,
};

describe('Doors', () => {
  it('has the addresses by delay, with the key where each protocol takes it', () => {
    expect(new Doors(encoders, 'ridge', 'hk_1').all().map((a) => a.value)).toEqual([
      'https://h/whip/ridge',
      'rtsp://key:hk_1@h:8554/ridge',
      'srt://h:8890?streamid=publish:ridge:hk_1',
      'rtmp://h:1935/live/ridge?key=hk_1',
      'rtmps://h:1936/live/ridge?key=hk_1',
    ]);
  });

  it('shows no key', () => {
    const d = new Doors(encoders, 'ridge', 'hk_secret');
    const shown = [...d.all(), d.streamKey(), d.token(), ...[...ffmpegRecipes(d), ...gstreamerRecipes(d)].map((r) => r.command)];
    for (const p of shown) expect(p.shown).not.toContain('hk_secret');
    for (const p of shown) expect(p.shown.split('••••••').join('hk_secret')).toBe(p.value);
  });

  it('needs no key on an open server, and names the place of a missing one', () => {
    expect(new Doors(encoders, 'ridge', '').all().map((a) => a.value)).toEqual([
      'https://h/whip/ridge', 'rtsp://h:8554/ridge', 'srt://h:8890?streamid=publish:ridge', 'rtmp://h:1935/live/ridge', 'rtmps://h:1936/live/ridge',
    ]);
    expect(new Doors(encoders, 'ridge', '').streamKey()).toEqual({ value: 'ridge', shown: 'ridge' });
    const lacking = new Doors(encoders, 'ridge', keyPlaceholder);
    expect(lacking.streamKey()).toMatchObject({ shown: 'ridge?key=STREAM_KEY', lacksKey: true });
    expect(lacking.all().filter((a) => !a.lacksKey).map((a) => a.protocol), 'whip has it apart').toEqual(['whip']);
    expect(ffmpegRecipes(lacking).every((r) => r.command.lacksKey)).toBe(true);
  });

  it('asks for the passphrase of SRT', () => {
    expect(new Doors({ ...encoders, encrypted: true }, 'r', '').address('srt').value).toBe('srt://h:8890?streamid=publish:r&passphrase=PASSPHRASE');
  });

  it('knows a key by its ends', () => {
    expect(maskedKey('hk_7Qm2vX9sLkPzR4tYw8uAaB')).toBe('hk_7Qm••••••••AaB');
    expect(maskedKey('short')).not.toContain('s');
  });
});

describe('recipes', () => {
  it('are only for doors that are open', () => {
    const d = new Doors({ host: 'h', rtmp: 'rtmp://h/live', transcoder: true, encrypted: false }, 'r', '');
    expect(ffmpegRecipes(d).map((r) => r.protocol)).toEqual(['rtmp']);
    expect(gstreamerRecipes(d).map((r) => r.protocol)).toEqual(['rtmp']);
  });

  it('send no empty key', () => {
    const d = new Doors(encoders, 'r', '');
    for (const r of [...ffmpegRecipes(d), ...gstreamerRecipes(d)]) expect(r.command.value).not.toMatch(/key=|auth-token|authorization/);
  });

  it('put the whole address into the link for Larix', () => {
    expect(larixLink('r', 'rtmp://h/live/r?key=k')).toBe('larix://set/v1?conn[][url]=rtmp%3A%2F%2Fh%2Flive%2Fr%3Fkey%3Dk&conn[][name]=r&conn[][mode]=av');
  });
});

describe('targetOf', () => {
  const f = { server: 'rtmps://x:443/app/', key: ' k ', url: ' srt://h:1?streamid=a ' };
  it('joins server and key, and takes whole addresses', () => {
    expect(targetOf('twitch', f).url).toBe('rtmps://x:443/app/k');
    expect(targetOf('other', f).url).toBe('srt://h:1?streamid=a');
  });
  it.each([
    ['twitch', { ...f, server: 'https://x' }, 'server'],
    ['youtube', { ...f, key: '' }, 'key'],
    ['youtube', { ...f, key: 'a b' }, 'key'],
    ['other', { ...f, url: 'ftp://h' }, 'url'],
    ['other', { ...f, url: 'rtmp://' }, 'url'],
  ] as const)('says what is wrong with %s %o', (kind, fields, field) => {
    expect(targetOf(kind, fields)).toMatchObject({ url: '', field, why: expect.stringMatching(/\.$/) });
  });
});

it.each([
  ['rtmps://live.twitch.tv:443/app/•••', 'live.twitch.tv:443/app'],
  ['rtmp://u:•••@h:1935/live/copy?key=•••', 'h:1935/live/copy'],
  ['rtmp://h/•••/', 'h'],
  ['srt://h:8890?streamid=•••&passphrase=•••', 'h:8890'],
  ['https://c.example/•••/webRTC/•••', 'c.example/•••/webRTC'],
  ['?', '?'],
])('a push to %s is called %s', (url, name) => expect(targetName(url)).toBe(name));

describe('words', () => {
  const source: Source = { stream: 'a', url: '', transport: 'auto', when: 'always', private: false, fixed: false, state: 'unreachable', text: '', since: 1000, retryAt: 190_000 };
  it('say how a source goes', () => {
    expect(sourceGoing(source, 181_000)).toEqual({ phase: 'half', line: 'Unreachable for 3 min. Next try in 9 s.' });
    expect(sourceGoing(source, 200_000).line).toBe('Unreachable for 3 min.');
    expect(sourceGoing({ ...source, state: 'off' }, 200_000).line).toBe('Off.');
  });

  const stream: StreamInfo = {
    name: 'ridge', title: '', state: 'live', viewers: 0, proto: 'rtmp',
    tracks: [
      { kind: 'video', codec: 'H264', width: 1280, height: 720, fps: 29.97, keyframeInterval: 2, bitrate: 2_000_000 },
      { kind: 'audio', codec: 'opus', sampleRate: 44_100, channels: 2, bitrate: 100_000 },
    ],
  };
  it('say what arrives', () => {
    expect(arrivalFacts(stream)).toEqual([
      ['Video', 'H.264 1280×720, 30 fps'], ['Audio', 'Opus 44.1 kHz, stereo'], ['Keyframe', 'every 2.0 s'], ['Bitrate', '2.10 Mb/s'],
    ]);
    expect(arrivalFacts({ ...stream, tracks: [{ kind: 'audio', codec: 'PCMA', channels: 1 }] })).toEqual([['Video', 'none'], ['Audio', 'G.711, mono']]);
    for (const proto of ['ws', 'whip']) expect(arrivalFacts({ ...stream, proto })).toContainEqual(['Keyframe', 'on request']);
    expect(arrivalStatus(stream)).toBe('ridge arrives by RTMP.');
    expect(arrivalStatus({ ...stream, diagnoses: [{ code: 'b_frames', kind: 'video', text: '', fix: '' }] })).toBe('ridge arrives by RTMP. The encoder sends B-frames.');
    expect(arrivalStatus({ ...stream, state: 'offline' })).toBe('');
    expect(diagnosisTitle('new', 'audio')).toBe('The sound needs a hand');
  });

  it.each([[0, '0 kB'], [640_000, '640 kB'], [1_250_000, '1.3 MB'], [12e9, '12 GB'], [999_999, '1.0 MB'], [5e15, '5000 TB']])('write %d bytes as %s', (n, text) => {
    expect(bytes(n)).toBe(text);
  });
});
