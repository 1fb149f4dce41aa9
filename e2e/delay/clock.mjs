// A camera whose picture carries the time and whose microphone beeps each second, sent by ffmpeg:
//
//   node clock.mjs exact|wall SECONDS [video|av] FFMPEG-ARGUMENTS…
//
// exact: the time stamps are those of the picture and the sound themselves, so that lips can be measured.
// wall: ffmpeg stamps what it reads with the time it reads it, which keeps its own delay low.
import { spawn } from 'node:child_process';
import { frame, height, sound, rate, width } from './burnt.mjs';

const [mode, seconds, tracks, ...rest] = process.argv.slice(2);
const fps = 30;
const early = 15; // pictures that ffmpeg reads while it opens its inputs, before time begins

const raw = [...(mode === 'wall' ? ['-use_wallclock_as_timestamps', '1'] : []), '-fflags', 'nobuffer', '-probesize', '32', '-analyzeduration', '0'];
const video = [...raw, '-thread_queue_size', '64', '-f', 'rawvideo', '-pix_fmt', 'yuv420p', '-video_size', `${width}x${height}`, '-framerate', String(fps), '-i', 'pipe:0'];
const audio = [...raw, '-thread_queue_size', '64', '-f', 's16le', '-ar', String(rate), '-ac', '1', '-i', 'pipe:3'];
// Sound that is read late leaves a gap and then an overlap, which an encoder cannot have.
const even = mode === 'wall' && tracks === 'av' ? ['-af', 'aresample=async=1'] : [];
const args = ['-hide_banner', '-loglevel', 'error', ...video, ...(tracks === 'av' ? audio : []), ...even, ...rest];
const ffmpeg = spawn('ffmpeg', args, { stdio: ['pipe', 'inherit', 'inherit', 'pipe'] });

const [pictures, , , sounds] = ffmpeg.stdio;
for (const s of [pictures, sounds]) s.on('error', () => {}); // ffmpeg's end tells enough
ffmpeg.on('close', (code) => process.exit(code ?? 1));
process.on('SIGINT', () => ffmpeg.kill('SIGINT'));
process.on('SIGTERM', () => ffmpeg.kill('SIGINT'));
setTimeout(() => ffmpeg.kill('SIGINT'), Number(seconds) * 1000);

const until = (at) => new Promise((resolve) => setTimeout(resolve, Math.max(0, at - Date.now())));
const put = (to, bytes) => new Promise((resolve) => to.write(bytes, resolve));

// Silence and grey until ffmpeg takes what it is given: then both tracks begin at the same moment.
// Wall clock stamps need but one packet of sound to open the input with.
if (tracks === 'av') void put(sounds, Buffer.alloc((mode === 'wall' ? 1024 : (early / fps) * rate) * 2));
for (let i = 0; i < early; i++) await put(pictures, frame(0, i));
const begin = Date.now();

async function show() {
  for (let n = 0; ; n++) {
    const at = begin + (n * 1000) / fps;
    await until(at);
    await put(pictures, frame(mode === 'wall' ? Date.now() : Math.round(at), n));
  }
}

async function play() {
  const step = 10; // ms
  for (let n = 0; ; n++) {
    const at = begin + n * step;
    await until(at + step); // a microphone has heard them only then
    await put(sounds, sound(at, (step * rate) / 1000));
  }
}

void show();
if (tracks === 'av') void play();
