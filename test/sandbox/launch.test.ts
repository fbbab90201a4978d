// The launcher as a process: each of its two layers alone takes away what only it should, both together too, and without them nothing is started.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FLAGS, ROOT } from '../support/program.ts';

const LAUNCHER = join(ROOT, 'dist/launch.js');
const NODE = realpathSync(process.execPath);
/** Does what its argument says, one thing after the other, and prints what came of each. */
const PROBE = `
  const fs = require('node:fs'), net = require('node:net'), dgram = require('node:dgram'), { spawnSync } = require('node:child_process');
  const [dir, ...wanted] = process.argv.slice(1);
  const connect = (port) => new Promise((resolve) => net.connect(port, '127.0.0.1').on('connect', function () { this.destroy(); resolve('ok'); }).on('error', (e) => resolve(e.code)));
  const listen = (port) => new Promise((resolve) => net.createServer().on('error', (e) => resolve(e.code)).listen(port, '127.0.0.1', function () { this.close(); resolve('ok'); }));
  const does = {
    read: (path) => void fs.readFileSync(path),
    list: (path) => void fs.readdirSync(path),
    write: (path) => fs.writeFileSync(path, 'x'),
    keep: (path) => { fs.writeFileSync(path, 'x'); fs.truncateSync(path, 0); fs.chmodSync(path, 0o600); fs.renameSync(path, path + '2'); fs.linkSync(path + '2', path); fs.unlinkSync(path); fs.unlinkSync(path + '2'); fs.mkdirSync(path); },
    symlink: (path) => fs.symlinkSync('x', path),
    execute: (path) => { const { error } = spawnSync(path); if (error) throw error; },
    connect, listen,
    datagram: () => new Promise((resolve) => { const s = dgram.createSocket('udp4'); s.on('error', (e) => resolve(e.code)); s.bind(0, '127.0.0.1', () => { s.close(); resolve('ok'); }); }),
    owner: (path) => fs.chownSync(path, process.getuid(), process.getgid()),
    env: (name) => process.env[name] ?? 'unset',
  };
  (async () => {
    const told = {};
    for (const word of wanted) {
      const [what, argument] = word.split('=');
      try { told[word.replace(dir, '')] = (await does[what](/^\\d+$/.test(argument) ? Number(argument) : argument)) ?? 'ok'; } catch (e) { told[word.replace(dir, '')] = e.code ?? e.message; }
    }
    console.log(JSON.stringify(told));
  })();`;

let dir = '';
let open = 0;
let closed = 0;
const server = createServer((socket) => socket.destroy());
const other = createServer((socket) => socket.destroy());
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-launch-'));
  for (const folder of ['readable', 'writable', 'elsewhere']) mkdirSync(join(dir, folder));
  for (const file of ['readable/a', 'elsewhere/a', 'writable/mine']) writeFileSync(join(dir, file), 'x');
  await Promise.all([once(server.listen(0, '127.0.0.1'), 'listening'), once(other.listen(0, '127.0.0.1'), 'listening')]);
  open = (server.address() as AddressInfo).port;
  closed = (other.address() as AddressInfo).port;
  writeFileSync(
    join(dir, 'readable/policy.yaml'),
    `rules: {}\nactuators: {a: {actions: [freeze_agent], push: "http://127.0.0.1:${open}/x"}}\n`,
  );
});
afterAll(() => {
  server.close();
  other.close();
  rmSync(dir, { recursive: true, force: true });
});

interface Launched {
  code: number | null;
  signal: NodeJS.Signals | null;
  /** What the probe told, or nothing when it was not started. */
  told: Record<string, string>;
  output: string;
}

/** Through the launcher, the probe does these things. */
async function launch(wanted: readonly string[], env: Record<string, string> = {}): Promise<Launched> {
  const flags = FLAGS.filter((flag) => flag.startsWith('--jitless'));
  const probe = [NODE, ...flags, '-e', PROBE, dir, ...wanted.map((word) => word.replace('@', `${dir}/`))];
  const child = spawn(NODE, [...flags, '--experimental-ffi', '--no-warnings', LAUNCHER, ...probe], {
    env: {
      PATH: process.env['PATH'],
      OPENSSL_CONF: '/dev/null',
      BIND_ADDR: '127.0.0.1:8515',
      CONTAINMENT_POLICY_PATH: join(dir, 'readable/policy.yaml'),
      SANDBOX_READ: `${join(dir, 'readable')} ${join(ROOT, 'dist')} ${join(ROOT, 'node_modules')} ${join(ROOT, 'package.json')} ${join(ROOT, 'systemd')} -/not/there`,
      SANDBOX_WRITE: join(dir, 'writable'),
      ...env,
    },
  });
  let output = '';
  const hear = (chunk: Buffer) => void (output += chunk.toString());
  child.stdout.on('data', hear);
  child.stderr.on('data', hear);
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const last = output.trim().split('\n').at(-1) ?? '';
  return { code, signal, output, told: code === 0 && last.startsWith('{') ? (JSON.parse(last) as Record<string, string>) : {} };
}

const FILES = [
  'read=@readable/a',
  'list=@readable',
  'write=@readable/b',
  'read=@elsewhere/a',
  'list=@elsewhere',
  'write=@elsewhere/b',
  'keep=@writable/new',
  'execute=/bin/true',
];
const CALLS = ['symlink=@writable/link', 'datagram', 'owner=@writable/mine'];

const without = { SANDBOX_LANDLOCK: 'off', SANDBOX_SECCOMP: 'off' };
const hasLandlock =
  spawnSync(NODE, ['--experimental-ffi', LAUNCHER, NODE, '-e', '0'], { env: { SANDBOX_SECCOMP: 'off', OPENSSL_CONF: '/dev/null' } })
    .status === 0;
if (!hasLandlock) console.log('SKIPPED: the tests of Landlock need a kernel that has it (Linux 5.13 or newer, lsm=landlock).');

describe('without any layer', () => {
  it('the probe may do all of it: what is refused below, is refused by the layer', async () => {
    const { told } = await launch([...FILES, ...CALLS, `connect=${open}`, `connect=${closed}`, 'listen=0', 'env=CONNECT_PORTS'], without);
    const { 'env=CONNECT_PORTS': ports, ...rest } = told;
    expect(new Set(Object.values(rest))).toEqual(new Set(['ok']));
    expect(ports).toBe('unset');
    rmSync(join(dir, 'writable/link'));
    rmSync(join(dir, 'writable/new'), { recursive: true });
  });
});

describe.skipIf(!hasLandlock)('Landlock alone', () => {
  const alone = { SANDBOX_SECCOMP: 'off' };

  it('leaves what is named, each in its way, and takes away all other files and programs', async () => {
    expect((await launch(FILES, alone)).told).toEqual({
      'read=/readable/a': 'ok',
      'list=/readable': 'ok',
      'write=/readable/b': 'EACCES',
      'read=/elsewhere/a': 'EACCES',
      'list=/elsewhere': 'EACCES',
      'write=/elsewhere/b': 'EACCES',
      'keep=/writable/new': 'ok',
      'execute=/bin/true': 'EACCES',
    });
    rmSync(join(dir, 'writable/new'), { recursive: true });
  });

  it('leaves the port that is listened on and those that the policy leads to, and the service is told which', async () => {
    const { told } = await launch([`connect=${open}`, `connect=${closed}`, 'listen=0', 'listen=8515', 'env=CONNECT_PORTS'], alone);
    expect(told).toEqual({
      [`connect=${open}`]: 'ok',
      [`connect=${closed}`]: 'EACCES',
      'listen=0': 'EACCES',
      'listen=8515': expect.stringMatching(/^(ok|EADDRINUSE)$/),
      'env=CONNECT_PORTS': String(open),
    });
  });

  it('leaves a further port that the unit names, and none where systemd hands the socket over', async () => {
    const { told } = await launch([`connect=${closed}`], { ...alone, SANDBOX_CONNECT: String(closed) });
    expect(told).toEqual({ [`connect=${closed}`]: 'ok' });
    const handed = await launch(['listen=8515', 'env=CONNECT_PORTS'], { ...alone, LISTEN_FDS: '0', CONTAINMENT_POLICY_PATH: '/not/there' });
    expect(handed.told).toEqual({ 'listen=8515': 'EACCES', 'env=CONNECT_PORTS': 'none' });
  });

  it('does not let another program through that has the rights to be executed', async () => {
    expect((await launch(['execute=/bin/sh', `execute=${NODE}`], alone)).told).toEqual({
      'execute=/bin/sh': 'EACCES',
      [`execute=${NODE}`]: 'ok',
    });
  });
});

describe('seccomp alone', () => {
  const alone = { SANDBOX_LANDLOCK: 'off' };

  it('refuses what the profile does not name, and leaves files as they are', async () => {
    expect((await launch([...FILES, ...CALLS], alone)).told).toEqual({
      'read=/readable/a': 'ok',
      'list=/readable': 'ok',
      'write=/readable/b': 'ok',
      'read=/elsewhere/a': 'ok',
      'list=/elsewhere': 'ok',
      'write=/elsewhere/b': 'ok',
      'keep=/writable/new': 'ok',
      'execute=/bin/true': 'EPERM',
      'symlink=/writable/link': 'EPERM',
      datagram: 'EPERM',
      'owner=/writable/mine': 'EPERM',
    });
    rmSync(join(dir, 'writable/new'), { recursive: true });
  });

  it('kills for it when it is told to, but not for what is asked to find out whether it is in force', async () => {
    const kill = { ...alone, SANDBOX_SECCOMP: 'kill' };
    expect(await launch(['symlink=@writable/link', 'read=@readable/a'], kill)).toMatchObject({
      code: 0,
      told: { 'symlink=/writable/link': 'EPERM' },
    });
    expect(await launch(['owner=@writable/mine'], kill)).toMatchObject({ signal: 'SIGSYS', told: {} });
    expect(await launch(['datagram'], kill)).toMatchObject({ signal: 'SIGSYS', told: {} });
  });
});

describe('nothing is started', () => {
  it('where there is no Landlock, and the unit does not say that it may be so', () => {
    // Within our own profile, which knows no landlock_create_ruleset.
    const nested = spawnSync(
      NODE,
      [
        '--experimental-ffi',
        '--no-warnings',
        LAUNCHER,
        '/bin/sh',
        '-c',
        `unset SANDBOX_LANDLOCK SANDBOX_SECCOMP; exec ${NODE} --experimental-ffi --no-warnings ${LAUNCHER} ${NODE} -e 'console.log("RUNS")'`,
      ],
      { env: { SANDBOX_LANDLOCK: 'off', SANDBOX_SECCOMP: 'required' }, encoding: 'utf8' },
    );
    expect(nested.status).toBe(78);
    expect(nested.stdout).toContain('Landlock is not in this kernel');
    expect(nested.stdout).not.toContain('RUNS');
  });

  it('where there is no profile', () => {
    const copy = join(dir, 'copy');
    cpSync(join(ROOT, 'dist'), join(copy, 'dist'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    cpSync(join(ROOT, 'package.json'), join(copy, 'package.json'));
    const start = () =>
      spawnSync(NODE, ['--experimental-ffi', '--no-warnings', join(copy, 'dist/launch.js'), NODE, '-e', 'console.log("RUNS")'], {
        env: { SANDBOX_LANDLOCK: 'off' },
        encoding: 'utf8',
      });
    expect(start()).toMatchObject({ status: 78, stdout: expect.stringContaining('seccomp.json') });
    mkdirSync(join(copy, 'systemd'));
    writeFileSync(join(copy, 'systemd/seccomp.json'), '{"defaultAction": "SCMP_ACT_ALLOW"}');
    expect(start()).toMatchObject({ status: 78, stdout: expect.stringContaining('what is not named is refused') });
  });

  it.each<[string, Record<string, string>, string]>([
    [
      'a folder that is to be in reach is not there',
      { SANDBOX_WRITE: '/not/there' },
      '/not/there: is to be in reach of the service, and ENOENT',
    ],
    ['a path is not absolute', { SANDBOX_READ: 'etc' }, 'SANDBOX_READ holds etc, which is not an absolute path'],
    ['a port is none', { SANDBOX_CONNECT: '70000' }, 'SANDBOX_CONNECT holds 70000'],
    ['a layer is to be something else', { SANDBOX_SECCOMP: 'on' }, 'SANDBOX_SECCOMP is on; it must be required or kill or off'],
    ['a layer is to be something else', { SANDBOX_LANDLOCK: '0' }, 'SANDBOX_LANDLOCK is 0; it must be required or off'],
  ])('when %s', async (_, env, told) => {
    const { code, output } = await launch(['read=@readable/a'], env);
    expect(code).toBe(78);
    expect(output).toContain(told);
    expect(output).toContain('the sandbox cannot be put in force, so the recorder is not started');
  });

  it('without a program, and without one that is there', () => {
    const start = (...command: string[]) =>
      spawnSync(NODE, ['--experimental-ffi', '--no-warnings', LAUNCHER, ...command], { env: { ...without }, encoding: 'utf8' });
    expect(start()).toMatchObject({ status: 78, stdout: expect.stringContaining('needs the absolute path of a program') });
    expect(start('node')).toMatchObject({ status: 78, stdout: expect.stringContaining('needs the absolute path of a program') });
    expect(start('/not/there')).toMatchObject({ status: 78, stdout: expect.stringContaining('execve: ENOENT') });
  });

  it('by a Node that was not allowed to call the kernel', () => {
    const { status, stdout } = spawnSync(NODE, [LAUNCHER, NODE, '-e', '0'], { env: {}, encoding: 'utf8' });
    expect(status).not.toBe(0);
    expect(stdout).not.toContain('RUNS');
  });
});
