// Carries connections to a socket file to a port of this machine: network namespaces share files, and nothing else.
//   node tunnel.mjs FILE PORT
import { connect, createServer } from 'node:net';

const [file, port] = process.argv.slice(2);
createServer((from) => {
  const to = connect(Number(port), '127.0.0.1');
  from.pipe(to).pipe(from);
  from.on('error', () => to.destroy());
  to.on('error', () => from.destroy());
}).listen(file, () => console.log('ready'));
// Ends with whoever started it.
process.stdin.on('end', () => process.exit()).resume();
