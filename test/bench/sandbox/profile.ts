// Where the CPU of a report goes: the built program outside of the box, with the same flags, under V8's profiler, strace and perf in turn.

import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FLAGS, type Program, ROOT, startProgram } from '../../support/program.ts';
import { table } from '../findings.ts';
import { type Generator, startGenerator } from '../generator.ts';
import { type CpuProfile, type Part, partsOf } from './cpu-profile.ts';
import { LINES_1, type Load, SINGLE_16 } from './loads.ts';
import { callsDuring, symbolsDuring } from './traced.ts';

/** As the unit sets them, beside those of production. */
const MORE_FLAGS = ['--v8-pool-size=0', '--disable-sigusr1'];
const ENV = { MALLOC_ARENA_MAX: '1', UV_THREADPOOL_SIZE: '1', OPENSSL_CONF: '/dev/null' };
const WARM_UP_S = 1;
const TOP = 25;

/** @returns the tables */
export async function measureProfile(scope: AsyncDisposableStack, quick: boolean): Promise<string> {
  const generator = scope.use(startGenerator());
  const seconds = quick ? 3 : 10;
  const texts: string[] = [];
  for (const load of [SINGLE_16, LINES_1])
    texts.push(await profileOf(scope, generator, load, seconds), await traceOf(scope, generator, load, seconds));
  return texts.join('\n\n');
}

async function profileOf(scope: AsyncDisposableStack, generator: Generator, load: Load, seconds: number): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-profile-'));
  scope.defer(() => rmSync(folder, { recursive: true, force: true }));
  const profiler = ['--cpu-prof', `--cpu-prof-dir=${folder}`, '--cpu-prof-interval=250'];
  const program = scope.use(await startProgram({ flags: [...FLAGS, ...MORE_FLAGS, ...profiler], env: ENV }));
  await drive(generator, program, load, WARM_UP_S);
  const from = now();
  const { cpu } = await drive(generator, program, load, seconds);
  const to = now();
  await program.end('SIGTERM');
  const [file = ''] = readdirSync(folder);
  const { functions, files, rooms } = partsOf(JSON.parse(readFileSync(join(folder, file), 'utf8')) as CpuProfile, [from, to], ROOT);
  return [
    `### ${load.name}: ${cpu.toFixed(0)} µs of CPU a report under the profiler`,
    ...[tableOf('room', rooms, cpu), tableOf('file', files, cpu), tableOf('function', functions, cpu)],
  ].join('\n\n');
}

function tableOf(what: string, parts: readonly Part[], cpu: number): string {
  const rows = parts.slice(0, TOP).map(({ name, share }) => [name, `${(share * 100).toFixed(1)} %`, (share * cpu).toFixed(1)]);
  return table([what, 'of that', 'µs a report'], rows);
}

async function traceOf(scope: AsyncDisposableStack, generator: Generator, load: Load, seconds: number): Promise<string> {
  const program = scope.use(await startProgram({ flags: [...FLAGS, ...MORE_FLAGS], env: ENV }));
  await drive(generator, program, load, WARM_UP_S);
  const plain = await drive(generator, program, load, seconds);
  const texts = [`### ${load.name}: ${plain.cpu.toFixed(0)} µs of CPU a report when nobody looks`];
  const sampled = await symbolsDuring(program.pid, async () => drive(generator, program, load, seconds));
  if (sampled) texts.push(tableOf('code of', sampled.kinds, plain.cpu), tableOf('symbol', sampled.symbols, plain.cpu));
  const traced = await callsDuring(program.pid, async () => drive(generator, program, load, Math.min(seconds, 5)));
  if (traced) {
    const { reports } = traced.result;
    const rows = traced.calls
      .toSorted((a, b) => b.seconds - a.seconds)
      .slice(0, TOP)
      .map(({ name, calls, seconds: took }) => [name, (calls / reports).toFixed(3), ((took * 1e6) / reports).toFixed(1)]);
    const all = traced.calls.reduce((sum, { calls }) => sum + calls, 0);
    texts.push(table([`system call (${(all / reports).toFixed(2)} a report)`, 'calls a report', 'µs a report, under strace'], rows));
  }
  await program.end('SIGKILL');
  return texts.join('\n\n');
}

/** @returns how many reports were answered, and microseconds of CPU of each */
async function drive(generator: Generator, { port, pid }: Program, load: Load, seconds: number): Promise<{ reports: number; cpu: number }> {
  const before = cpuOf(pid);
  const { connections, requests } = load;
  const { answered, fault } = await generator.flood({ port, connections, requests, seconds });
  if (fault !== null) throw new Error(fault);
  const reports = answered * load.of;
  return { reports, cpu: (cpuOf(pid) - before) / reports };
}

/** Microseconds, of all its threads. */
function cpuOf(pid: number): number {
  const tasks = readdirSync(`/proc/${pid}/task`);
  return tasks.reduce((sum, task) => sum + Number.parseInt(readFileSync(`/proc/${pid}/task/${task}/schedstat`, 'utf8'), 10) / 1000, 0);
}

/** Microseconds of the clock that the profiler goes by. */
function now(): number {
  const [s, ns] = process.hrtime();
  return s * 1e6 + ns / 1000;
}
