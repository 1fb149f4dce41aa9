// Says what kind of NAT a machine is behind (RFC 4787): one end that answers from other ports and addresses too, and one that asks.
//   node probe.mjs answer A B      until stdin ends
//   node probe.mjs ask A B         prints {"mapping": ..., "filtering": ...}
import { createSocket } from 'node:dgram';

const [, , role, a, b] = process.argv;
const ports = [3500, 3501];

function open(address, port = 0) {
  const socket = createSocket('udp4');
  return new Promise((resolve) => socket.bind(port, address, () => resolve(socket)));
}

async function answer() {
  const sockets = new Map();
  for (const address of [a, b]) for (const port of ports) sockets.set(`${address}:${port}`, await open(address, port));
  for (const [name, socket] of sockets) {
    socket.on('message', (m, from) => {
      socket.send(`you are ${from.address}:${from.port}`, from.port, from.address);
      if (String(m) !== 'others too') return;
      const [address, port] = name.split(':');
      sockets.get(`${address}:${ports.find((p) => p !== Number(port))}`).send('other port', from.port, from.address);
      sockets.get(`${address === a ? b : a}:${port}`).send('other address', from.port, from.address);
    });
  }
  console.log('ready');
  process.stdin.on('end', () => process.exit()).resume();
}

async function ask() {
  const socket = await open('0.0.0.0');
  const said = [];
  socket.on('message', (m) => said.push(String(m)));
  const tell = async (words, ...to) => {
    for (const [address, port] of to) socket.send(words, port, address);
    await new Promise((resolve) => setTimeout(resolve, 400));
  };
  // Filters first: nothing but A's first port has been written to.
  await tell('others too', [a, ports[0]]);
  const filtering = said.includes('other address') ? 'independent' : said.includes('other port') ? 'by address' : 'by address and port';
  said.length = 0;
  await tell('who am I', [a, ports[0]], [a, ports[1]], [b, ports[0]]);
  const seen = new Set(said.filter((s) => s.startsWith('you are')));
  const mapping = seen.size === 0 ? 'blocked' : seen.size === 1 ? 'independent' : 'dependent';
  console.log(JSON.stringify(mapping === 'blocked' ? { mapping } : { mapping, filtering }));
  process.exit();
}

await (role === 'answer' ? answer() : ask());
