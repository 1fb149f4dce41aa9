// What Debian's ffmpeg is too old for: enhanced RTMP (H265, AV1, Opus) and AV1 over RTSP, by the FFmpeg 8 inside the npm
// package node-av.
//
//   node newer.mjs publish FILE URL FORMAT TRANSPORT SECONDS   sends a file in real time, again and again
//   node newer.mjs read URL TRANSPORT SECONDS TRACKS           decodes that much of so many tracks, for five times as
//                                                              long at most, and prints what it saw as JSON
import { crc32 } from 'node:zlib';
import { AVMEDIA_TYPE_VIDEO, Decoder, Demuxer, Muxer } from 'node-av';

// node-av counts on Node 22.
Promise.withResolvers ??= () => {
  const made = {};
  made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
  return made;
};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const seconds = (packet, stamp) => (Number(stamp) * packet.timeBase.num) / packet.timeBase.den;

/** Shifts a packet by `by` seconds, so that a file that begins again goes on. */
function shift(packet, by) {
  const ticks = BigInt(Math.round((by * packet.timeBase.den) / packet.timeBase.num));
  packet.pts += ticks;
  packet.dts += ticks;
}

async function publish(file, url, format, transport, limit) {
  const first = await Demuxer.open(file);
  const output = await Muxer.open(url, { format, options: { strict: 'experimental', ...(transport ? { rtsp_transport: transport } : {}) } });
  const begin = performance.now();
  const over = () => performance.now() - begin > limit * 1000;
  let input = first;
  const slots = input.streams.map((s) => output.addStream(s));
  for (let shifted = 0, end = 0; !over(); shifted = end) {
    for await (const packet of input.packets()) {
      if (!packet || over()) break;
      shift(packet, shifted);
      const at = seconds(packet, packet.dts);
      end = Math.max(end, at + seconds(packet, packet.duration));
      await sleep(at * 1000 - (performance.now() - begin));
      await output.writePacket(packet, slots[packet.streamIndex]);
      packet.free();
    }
    if (input !== first) await input.close();
    input = await Demuxer.open(file);
  }
  await output.close();
}

/** Adds a decoded frame to what was seen. */
function take(found, kind, frame) {
  if (kind === 'video') {
    found.frames++;
    found.hashes.add(crc32(frame.data[0]));
    found.different = found.hashes.size;
    return;
  }
  found.samples += frame.nbSamples;
  // FFmpeg's decoders of AAC and Opus give planes of 32-bit floats.
  const plane = frame.data[0];
  const samples = new Float32Array(plane.buffer, plane.byteOffset, Math.min(frame.nbSamples, plane.byteLength >> 2));
  found.loudest = samples.reduce((max, v) => Math.max(max, Math.abs(v)), found.loudest);
}

async function read(url, transport, limit, tracks) {
  const rtmp = url.startsWith('rtmp') ? { rtmp_enhanced_codecs: 'av01,hvc1,vp09,Opus' } : {};
  const input = await Demuxer.open(url, { options: { ...(transport ? { rtsp_transport: transport } : rtmp), analyzeduration: 2_000_000 } });
  const found = {};
  const decoders = [];
  // A track of RTMP is known with its first packet.
  const add = async (s) => {
    const kind = s.codecpar.codecType === AVMEDIA_TYPE_VIDEO ? 'video' : 'audio';
    const decoder = await Decoder.create(s);
    const codec = (decoder.getCodec()?.name ?? '').replace('libdav1d', 'av1');
    found[kind] = kind === 'video' ? { codec, width: s.codecpar.width, frames: 0, different: 0, hashes: new Set() } : { codec, samples: 0, loudest: 0 };
    return (decoders[s.index] = { kind, decoder });
  };
  const begin = performance.now();
  const enough = () => Object.keys(found).length >= tracks && Object.values(found).every((f) => (f.frames ?? 0) >= limit * 30 || (f.samples ?? 0) >= limit * 48_000);
  for await (const packet of input.packets()) {
    if (!packet || enough() || performance.now() - begin > limit * 5000) break;
    const { kind, decoder } = decoders[packet.streamIndex] ?? (await add(input.streams[packet.streamIndex]));
    for (const frame of await decoder.decodeAll(packet)) {
      if (!frame) continue;
      take(found[kind], kind, frame);
      frame.free();
    }
    packet.free();
  }
  if (found.video) delete found.video.hashes;
  if (found.audio) found.audio.peak = Math.round(20 * Math.log10(found.audio.loudest || 1e-5));
  console.log(JSON.stringify(found));
}

const [what, ...args] = process.argv.slice(2);
try {
  if (what === 'publish') await publish(args[0], args[1], args[2], args[3], Number(args[4]));
  else await read(args[0], args[1], Number(args[2]), Number(args[3]));
  process.exit(0); // a demuxer that waits for the network would hold the process
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exit(1);
}
