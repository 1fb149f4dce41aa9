// Sees to the programs that the tests use beside Go and Node. On Debian and as
// root it installs what is missing; anywhere else it says what to install.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

const python = process.env.PYTHON ?? '/usr/bin/python3';

// Program, the Debian package that has it, what it is for, and how to see that
// it is there if being in the PATH does not say it.
const tools = [
  ['go', '', 'everything: https://go.dev/dl, the version in go.mod'],
  ['gcc', 'gcc libc6-dev', "Go's race detector"],
  ['chromium', 'chromium', 'browser tests'],
  ['firefox-esr', 'firefox-esr', 'browser tests'],
  ['ip', 'iproute2', 'browser tests on a network of their own'],
  ['iptables', 'iptables', 'browser tests that lose the network'],
  ['ffmpeg', 'ffmpeg', 'media for tests and measurements'],
  [
    'gst-launch-1.0',
    'gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-nice',
    'a publisher and viewer that is not ours',
  ],
  [
    'webrtcbin in Python',
    'python3-gi gir1.2-gst-plugins-base-1.0 gir1.2-gst-plugins-bad-1.0',
    'the same',
    `${python} -c "import gi; gi.require_version('GstWebRTC', '1.0'); gi.require_version('GstSdp', '1.0')"`,
  ],
  ['aiortc', 'python3-aiortc', 'another publisher and viewer that is not ours', `${python} -c "import aiortc"`],
];

const there = ([program, , , look = `command -v ${program}`]) => spawnSync('sh', ['-c', look]).status === 0;
const missing = () => tools.filter((tool) => !there(tool));

function install(packages) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  const apt = (...args) => spawnSync('apt-get', args, { stdio: 'inherit', env }).status === 0;
  return apt('update', '-q') && apt('install', '-y', '-q', '--no-install-recommends', ...packages);
}

const packages = missing().flatMap(([, name]) => name.split(' ').filter(Boolean));
if (packages.length > 0 && existsSync('/etc/debian_version') && process.getuid?.() === 0) {
  console.log(`installing ${packages.join(' ')}`);
  install(packages);
}

const still = missing();
for (const [program, name, use] of still) {
  console.log(`missing: ${program} (${use})${name ? `; on Debian: apt-get install ${name}` : ''}`);
}
if (still.length === 0) console.log(`all there: ${tools.map(([program]) => program).join(', ')}`);
process.exit(still.length > 0 ? 1 : 0);
