// What a running program asks of the kernel (strace), and in which library its time goes (perf): looked at from outside, one at a time.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Part } from './cpu-profile.ts';

export interface Call {
  readonly name: string;
  readonly calls: number;
  /** In the kernel. */
  readonly seconds: number;
}

/** Counts the calls of a process while `work` is done. @returns null where there is no strace */
export async function callsDuring<T>(pid: number, work: () => Promise<T>): Promise<{ result: T; calls: readonly Call[] } | null> {
  if (!exists('strace')) return null;
  return inFolder(async (folder) => {
    const file = join(folder, 'calls');
    const strace = spawn('strace', ['-c', '-f', '-p', String(pid), '-o', file], { stdio: ['ignore', 'ignore', 'pipe'] });
    await once(strace.stderr, 'data'); // it says when it is attached
    const result = await work();
    const ended = once(strace, 'exit');
    strace.kill('SIGINT');
    await ended;
    const rows = readFileSync(file, 'utf8').matchAll(/^ *[\d.]+ +([\d.]+) +\d+ +(\d+) +(?:\d+ +)?(\w+)$/gm);
    const calls = Array.from(rows, ([, seconds, many, name = '']) => ({ name, calls: Number(many), seconds: Number(seconds) }));
    return { result, calls: calls.filter(({ name }) => name !== 'total') };
  });
}

/** Samples a process while `work` is done. @returns null where there is no perf that can */
export async function symbolsDuring<T>(
  pid: number,
  work: () => Promise<T>,
): Promise<{ result: T; kinds: readonly Part[]; symbols: readonly Part[] } | null> {
  if (!exists('perf')) return null;
  return inFolder(async (folder) => {
    const file = join(folder, 'perf.data');
    const perf = spawn('perf', ['record', '-q', '-e', 'cpu-clock', '-F', '997', '-o', file, '-p', String(pid)], { stdio: 'ignore' });
    await sleep(ATTACHING_MS);
    const result = await work();
    const ended = once(perf, 'exit');
    perf.kill('SIGINT');
    await ended;
    const args = ['report', '-i', file, '--stdio', '-q', '--sort', 'dso,symbol', '--field-separator', '\t'];
    const text = execFileSync('perf', args, { encoding: 'utf8', maxBuffer: 2 ** 26, stdio: ['ignore', 'pipe', 'ignore'] });
    const symbols = Array.from(
      text.matchAll(/^ *([\d.]+)%? *\t *(.+?) *\t\[.\] *([^\t\n]+)/gm),
      ([, share, library = '', symbol = '']) => ({
        name: `${symbol.trim()} (${library})`,
        share: Number(share) / 100,
      }),
    );
    const kinds = new Map<string, number>();
    for (const { name, share } of symbols) kinds.set(kindOf(name), (kinds.get(kindOf(name)) ?? 0) + share);
    return { result, symbols, kinds: [...kinds].map(([name, share]) => ({ name, share })).toSorted((a, b) => b.share - a.share) };
  });
}

/** What a symbol is about: the first that fits. */
const KINDS: readonly (readonly [RegExp, string])[] = [
  [/^Builtins_/, 'V8: interpreted JavaScript and its builtins'],
  [/Scaveng|Marking|Sweep|MarkCompact|GCTracer|Heap::|HeapVisitor|Evacuat|PagedSpace|NewSpace|WriteBarrier/, 'V8: memory and garbage'],
  [/Json|JSON/, 'V8: JSON'],
  [/v8::/, 'V8: its runtime'],
  [/ \(linux-x64\.node\)|better_sqlite3/, 'SQLite'],
  [/sha256|EVP|SHA|ossl|CRYPTO/i, 'hashing'],
  [/kernel/, 'the kernel'],
  [/ \(libc/, 'libc: malloc, memmove and others'],
];

function kindOf(name: string): string {
  return KINDS.find(([pattern]) => pattern.test(name))?.[1] ?? 'node itself and others';
}

const ATTACHING_MS = 300;

function exists(program: string): boolean {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'recorder-trace-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
