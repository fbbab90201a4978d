// A real release: what is in it, that it runs where there is no checkout, and that its compile cache is taken.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { VERSION } from '../../src/version.ts';
import { SERVICE_TOKEN } from '../support/house.ts';
import { FLAGS, ROOT, startProgram } from '../support/program.ts';
import { treeBelow } from '../support/release.ts';

const NAME = `incident-recorder-${VERSION}-linux-${process.arch}`;
const MINUTES = 60_000;

const folder = mkdtempSync(join(tmpdir(), 'release-'));
const archive = join(folder, `${NAME}.tar.gz`);
const top = join(folder, 'unpacked', NAME);
let told = '';

beforeAll(() => {
  told = release(folder);
  execFileSync('sh', ['-c', 'mkdir unpacked && tar xzf "$1" -C unpacked', 'sh', archive], { cwd: folder });
}, 3 * MINUTES);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function release(out: string): string {
  return execFileSync(process.execPath, [join(ROOT, '.tools/release.ts'), '--out', out], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
function run(cwd: string, command: string, args: string[], env: Record<string, string> = {}): string {
  return execFileSync(command, args, { cwd, encoding: 'utf8', env: { PATH: process.env['PATH'], ...env } });
}

it('is one archive of at most 60 MB, with its SHA-256 beside it, and says where', () => {
  const size = statSync(archive).size;
  const sha256 = createHash('sha256').update(readFileSync(archive)).digest('hex');
  expect(size).toBeLessThanOrEqual(60e6);
  expect(run(folder, 'sha256sum', ['-c', `${NAME}.tar.gz.sha256`])).toBe(`${NAME}.tar.gz: OK\n`);
  expect(told).toContain(`${archive}\n${(size / 1e6).toFixed(1)} MB`);
  expect(told).toContain(`SHA-256 ${sha256}\n`);
});

it('holds what a host needs, and nothing else', () => {
  const tree = treeBelow(top);
  const files = Object.keys(tree).filter((path) => tree[path]?.sha256 !== '');
  const pieces = files.filter((path) => /^lib\/cli\/[\w-]+-[0-9A-Z]{8}\.js$|^cache\/v[\d.]+-\w+-[0-9a-f]{8}\/[0-9a-f]{1,8}$/.test(path));
  const below = (room: string) => Object.keys(treeBelow(join(ROOT, room))).map((path) => `${room}/${path}`);
  const programs = ['main', 'cli', 'launch'].filter((program) => existsSync(join(ROOT, `src/${program}.ts`)));
  expect(files.filter((path) => !pieces.includes(path)).toSorted()).toEqual(
    [
      ...['README.md', 'SHA256SUMS', 'VERSION', 'bin/node', 'install.sh', 'sbom.cdx.json'],
      ...['lib/LICENSES.txt', 'lib/better_sqlite3.node', 'lib/package.json', ...programs.map((program) => `lib/${program}.js`)],
      ...[...below('policy'), ...below('systemd')],
    ].toSorted(),
  );
  expect(pieces.length).toBeGreaterThan(20);
  expect(new Set(Object.values(tree).map(({ mode }) => mode))).toEqual(new Set(['0644', '0755']));
  expect(readFileSync(join(top, 'VERSION'), 'utf8')).toBe(`incident-recorder ${VERSION} linux-${process.arch}\n`);
  expect(tree['install.sh']?.sha256).toBe(tree['systemd/install.sh']?.sha256);
});

it('has the sum of every file', () => {
  run(top, 'sha256sum', ['--check', '--quiet', '--strict', 'SHA256SUMS']);
  const listed = readFileSync(join(top, 'SHA256SUMS'), 'utf8').trim().split('\n');
  const tree = treeBelow(top);
  const files = Object.keys(tree).filter((path) => tree[path]?.sha256 !== '' && path !== 'SHA256SUMS');
  expect(listed.map((line) => line.slice(66)).toSorted()).toEqual(files.toSorted());
});

it('names in its SBOM each package that the service asks for, Node and SQLite', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { dependencies: Record<string, string> };
  const bom = JSON.parse(readFileSync(join(top, 'sbom.cdx.json'), 'utf8'));
  const found = Object.fromEntries(bom.components.map(({ name, version }: { name: string; version: string }) => [name, version]));
  expect(found).toMatchObject({ ...dependencies, node: process.versions.node, sqlite: expect.stringMatching(/^3\./) });
  expect(Object.keys(found).toSorted()).toEqual([...Object.keys(dependencies), 'node', 'node-addon-api', 'sqlite'].toSorted());
  const node = bom.components.find(({ name }: { name: string }) => name === 'node');
  expect(node.hashes).toEqual([{ alg: 'SHA-256', content: treeBelow(join(top, 'bin'))['node']?.sha256 }]);
  const refs = bom.components.map((each: { 'bom-ref': string }) => each['bom-ref']);
  for (const { dependsOn } of bom.dependencies) expect(refs).toEqual(expect.arrayContaining(dependsOn));
});

it('has the licence of each package that is in it', () => {
  const licences = readFileSync(join(top, 'lib/LICENSES.txt'), 'utf8');
  for (const name of ['@hono/node-server', 'better-sqlite3', 'commander', 'hono', 'yaml', 'zod', `node-linux-${process.arch}`]) {
    expect(licences).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+$`, 'm'));
  }
});

it('serves from a folder that is no checkout, takes a report, and its command verifies the log', async () => {
  await using program = await startProgram({
    release: top,
    env: { CONTAINMENT_POLICY_PATH: join(top, 'policy/incident-containment.yaml') },
  });
  const answer = await fetch(`${program.url}/api/v1/incidents/report`, {
    method: 'POST',
    headers: { authorization: `Bearer ${SERVICE_TOKEN}`, 'content-type': 'application/json' },
    body: JSON.stringify({ class: 'prompt_injection', source: 'test', description: 'hidden in a page' }),
  });
  expect(answer.status).toBe(201);
  const { audit } = (await answer.json()) as { audit: { seq: number; hash: string } };
  expect(await program.end('SIGTERM')).toEqual({ code: 0, signal: null });
  const cli = (...args: string[]) => run('/', join(top, 'bin/node'), [join(top, 'lib/cli.js'), ...args]);
  expect(cli('--version')).toBe(`${VERSION}\n`);
  expect(cli('audit', 'verify', program.auditPath, '--receipt', `${audit.seq}:${audit.hash}`)).toContain('are sound');
});

const CACHE = { NODE_COMPILE_CACHE: join(top, 'cache'), NODE_COMPILE_CACHE_PORTABLE: '1', NODE_DEBUG_NATIVE: 'COMPILE_CACHE' };
const accepted = (output: string) => output.match(/\/lib\/\S+ was accepted/g)?.map((line) => line.split(' ')[0]?.slice(5)) ?? [];

it.each([
  ['those of a start by hand', FLAGS],
  ['those of the unit', flagsOfUnit()],
])('starts from its compile cache, with the flags of production: %s', async (_, flags) => {
  await using program = await startProgram({ release: top, flags: [...flags], env: CACHE });
  await program.end('SIGTERM');
  expect(flags).toContain('--jitless');
  expect(accepted(program.output())).toEqual(['main.js']);
  expect(program.output()).not.toMatch(/rejected|no such file|writing cache/);
});

it('has its command start from the compile cache too', () => {
  const output = run(
    '/',
    'sh',
    [
      '-c',
      '"$@" 2>&1',
      'sh',
      join(top, 'bin/node'),
      join(top, 'lib/cli.js'),
      'policy',
      'check',
      join(top, 'policy/incident-containment.yaml'),
    ],
    CACHE,
  );
  expect(accepted(output)).toEqual(expect.arrayContaining(['cli.js', expect.stringMatching(/^cli\/policy-check-/)]));
  expect(output).not.toMatch(/rejected|no such file|writing cache/);
});

it(
  'is made of the same bytes each time, all but the compile cache',
  () => {
    const again = join(folder, 'again');
    release(again);
    run(again, 'tar', ['xzf', `${NAME}.tar.gz`]);
    const sums = (where: string) =>
      readFileSync(join(where, 'SHA256SUMS'), 'utf8')
        .split('\n')
        .filter((line) => !line.includes('  cache/'));
    expect(sums(join(again, NAME))).toEqual(sums(top));
    const listing = (path: string) => run('/', 'tar', ['tvzf', path, '--exclude=*/cache', '--exclude=SHA256SUMS', '--numeric-owner']);
    expect(listing(join(again, `${NAME}.tar.gz`))).toBe(listing(archive));
    expect(listing(archive)).toMatch(/^(\S+ 0\/0 .*\n)+$/);
  },
  3 * MINUTES,
);

/** The flags in front of the program in the unit's first command. */
function flagsOfUnit(): string[] {
  const unit = readFileSync(join(ROOT, 'systemd/incident-recorder.service'), 'utf8');
  const [, command = ''] = /^ExecStart=(.*)$/m.exec(unit) ?? [];
  return command.split(' ').filter((word) => word.startsWith('--'));
}
