// Tries one thing, and prints what came of it: `ok`, or the code of the error, and the CPU time that it took. node probe.mjs <what> [argument]

import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { chownSync, chmodSync, copyFileSync, mkdirSync, openSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

const [what, argument = ''] = process.argv.slice(2);

const connected = (options) =>
  new Promise((resolve, reject) => {
    const socket = connect({ ...options, timeout: 1500 });
    socket.on('connect', () => resolve(void socket.destroy())).on('error', reject);
    socket.on('timeout', () => socket.destroy(Object.assign(new Error('no answer'), { code: 'SILENCE' })));
  });

const DOES = {
  nothing: () => {},
  read: () => void readFileSync(argument),
  list: () => {
    if (readdirSync(argument).length === 0) throw Object.assign(new Error('empty'), { code: 'EMPTY' });
  },
  open: () => void openSync(argument, 'r'),
  make: () => mkdirSync(argument),
  write: () => writeFileSync(argument, 'x'),
  own: () => {
    writeFileSync(argument, 'x');
    chownSync(argument, 12345, 12345);
  },
  setuid: () => {
    writeFileSync(argument, 'x');
    chmodSync(argument, 0o4755);
  },
  symlink: () => symlinkSync('x', argument),
  execute: () => {
    const { error, status } = spawnSync(argument.split(' ')[0], argument.split(' ').slice(1));
    if (error) throw error;
    if (status !== 0) throw Object.assign(new Error('refused'), { code: `EXIT ${status}` });
  },
  bring: () => {
    copyFileSync('/bin/true', argument);
    const { error } = spawnSync(argument);
    if (error) throw error;
  },
  priority: () => setPriority(-5),
  datagram: () =>
    new Promise((resolve, reject) => {
      const socket = createSocket('udp4').on('error', reject);
      socket.bind(0, '127.0.0.1', () => resolve(void socket.close()));
    }),
  listen: () =>
    new Promise((resolve, reject) => {
      const [host, port] = argument.split(' ');
      const server = createServer().on('error', reject);
      server.listen(Number(port), host, () => resolve(void server.close()));
    }),
  connect: () => connected({ host: argument.split(' ')[0], port: Number(argument.split(' ')[1]) }),
  meet: () => connected({ path: argument }),
  allocate: async () => {
    const kept = [];
    for (let mb = 0; mb < Number(argument); mb += 8) kept.push(Buffer.alloc(8 * 2 ** 20, 1));
    await sleep(100);
    return kept.length === 0;
  },
  burn: () => {
    const end = Date.now() + Number(argument);
    while (Date.now() < end);
  },
  tasks: async () => {
    const children = Array.from({ length: Number(argument) }, () => spawn('/bin/sleep', ['3'], { stdio: 'ignore' }));
    const failed = await Promise.all(
      children.map((child) => new Promise((resolve) => child.once('spawn', () => resolve(null)).once('error', resolve))),
    );
    for (const child of children) child.kill();
    const error = failed.find((each) => each !== null);
    if (error) throw error;
  },
  files: () => {
    for (let i = 0; i < Number(argument); i += 1) openSync('/dev/null', 'r');
  },
};

let told = 'ok';
try {
  await DOES[what]();
} catch (error) {
  told = error.info?.code ?? error.code ?? error.message;
}
// Asking for it is a call of its own, which a filter may refuse.
const { user, system } = what === 'burn' ? process.cpuUsage() : { user: 0, system: 0 };
console.log(`probed: ${told} in ${Math.round((user + system) / 1000)} ms`);
process.exit();
