/** Commands for ffmpeg and GStreamer. They send what plays everywhere: H.264 without B-frames, a keyframe each second. */
import type { Doors, Paste, Protocol } from './addresses';

export interface Recipe {
  protocol: Protocol;
  label: string;
  /** What it does and what it needs. */
  text: string;
  command: Paste;
}

type Line = (d: Doors, key: string) => string[];

interface Template {
  protocol: Protocol;
  label: string;
  text: string;
  lines: Line;
}

const x264 = '-c:v libx264 -preset veryfast -tune zerolatency -bf 0 -g 30 -pix_fmt yuv420p';
const opus = '-c:a libopus -ar 48000 -ac 2';
const aac = '-c:a aac -b:a 128k';

const ffmpeg: Template[] = [
  {
    protocol: 'rtsp', label: 'RTSP', text: 'Sends a file as if it were live. Any ffmpeg does it, and the sound needs no conversion here.',
    lines: (d, key) => ['ffmpeg -re -i input.mp4', x264, opus, `-f rtsp -rtsp_transport tcp "${d.url('rtsp', key)}"`],
  },
  {
    protocol: 'srt', label: 'SRT', text: 'Sends a file as if it were live. Lost packets are sent again, so it suits poor networks.',
    lines: (d, key) => ['ffmpeg -re -i input.mp4', x264, aac, `-f mpegts "${d.url('srt', key)}"`],
  },
  {
    protocol: 'rtmp', label: 'RTMP', text: 'Sends a file as if it were live, over plain TCP.',
    lines: (d, key) => ['ffmpeg -re -i input.mp4', x264, aac, `-f flv "${d.url('rtmp', key)}"`],
  },
  {
    protocol: 'whip', label: 'WHIP', text: 'Lowest delay. ffmpeg 8 or newer, built with WHIP.',
    lines: (d, key) => [
      'ffmpeg -re -i input.mp4', `${x264} -profile:v baseline`, opus,
      `-f whip ${key && `-authorization ${key} `}"${d.url('whip', key)}"`,
    ],
  },
];

const picture = 'videotestsrc is-live=true pattern=ball ! video/x-raw,width=1280,height=720,framerate=30/1';
const encode = 'x264enc tune=zerolatency key-int-max=30 bitrate=2500 ! video/x-h264,profile=baseline ! h264parse config-interval=-1';
const sound = 'audiotestsrc is-live=true ! audioconvert ! audioresample';

const gstreamer: Template[] = [
  {
    protocol: 'whip', label: 'WHIP', text: 'A test picture with the lowest delay. whipclientsink is in GStreamer’s Rust plugins.',
    lines: (d, key) => [
      `gst-launch-1.0 whipclientsink name=out signaller::whip-endpoint="${d.url('whip', key)}"`,
      ...(key ? [`signaller::auth-token="${key}"`] : []),
      `${picture} ! out.`, `${sound} ! out.`,
    ],
  },
  {
    protocol: 'rtsp', label: 'RTSP', text: 'A test picture. rtspclientsink is in the package of GStreamer’s RTSP server.',
    lines: (d, key) => [
      `gst-launch-1.0 rtspclientsink name=out protocols=tcp location="${d.url('rtsp', key)}"`,
      `${picture} ! ${encode} ! out.`, `${sound} ! opusenc ! out.`,
    ],
  },
  {
    protocol: 'srt', label: 'SRT', text: 'A test picture in MPEG-TS.',
    lines: (d, key) => [
      `gst-launch-1.0 mpegtsmux name=mux alignment=7 ! srtsink uri="${d.url('srt', key)}"`,
      `${picture} ! ${encode} ! queue ! mux.`, `${sound} ! voaacenc ! aacparse ! queue ! mux.`,
    ],
  },
  {
    protocol: 'rtmp', label: 'RTMP', text: 'A test picture over plain TCP.',
    lines: (d, key) => [
      `gst-launch-1.0 flvmux name=mux streamable=true ! rtmp2sink location="${d.url('rtmp', key)}"`,
      `${picture} ! ${encode} ! queue ! mux.`, `${sound} ! voaacenc ! aacparse ! queue ! mux.`,
    ],
  },
];

export const ffmpegRecipes = (d: Doors): Recipe[] => fill(ffmpeg, d);
export const gstreamerRecipes = (d: Doors): Recipe[] => fill(gstreamer, d);

function fill(templates: Template[], d: Doors): Recipe[] {
  return templates
    .filter((t) => d.has(t.protocol))
    .map(({ protocol, label, text, lines }) => ({ protocol, label, text, command: d.masked((key) => lines(d, key).join(' \\\n  ')) }));
}

/** A link that puts the connection into Larix Broadcaster, as text of a QR code. */
export function larixLink(stream: string, address: string): string {
  return `larix://set/v1?conn[][url]=${encodeURIComponent(address)}&conn[][name]=${encodeURIComponent(stream)}&conn[][mode]=av`;
}
