// The built program as a process, started as production starts it: jitless, with a small heap.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SERVICE_TOKEN, writeSecret } from './house.ts';

export const ROOT = join(import.meta.dirname, '../..');

/** Built by the launcher before the tests; `npx vitest` alone does not. */
export const PROGRAM = join(ROOT, 'dist/main.js');

/** The flags of production, from the one place where they stand. */
export const FLAGS = execFileSync('sh', [join(ROOT, '.tools/launch.sh'), 'flags'], { encoding: 'utf8' })
  .trim()
  .split(/\s+/);

export interface Program extends AsyncDisposable {
  readonly dir: string;
  readonly url: string;
  readonly port: number;
  readonly auditPath: string;
  readonly pid: number;
  /** Everything on stdout and stderr so far. */
  output(): string;
  /** Sends a signal and waits for the end. Returns exit code and signal. */
  end(signal: NodeJS.Signals): Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Starts it again on the same folder and port. */
  start(): Promise<void>;
}

export interface ProgramOptions {
  env?: Record<string, string>;
  /** Another folder than a fresh one; then it is kept. */
  dir?: string;
  /** Replaces FLAGS. */
  flags?: string[];
  /** Of an unpacked release, instead of the Node that runs the tests and dist. */
  release?: string;
  /** In front of the command, such as strace and its arguments. */
  under?: string[];
}

/** `await using program = await startProgram()`: it is killed and its folder removed when the test ends. */
export async function startProgram({ env = {}, dir, flags = FLAGS, release, under = [] }: ProgramOptions = {}): Promise<Program> {
  const node = release === undefined ? process.execPath : join(release, 'bin/node');
  const program = release === undefined ? PROGRAM : join(release, 'lib/main.js');
  if (!existsSync(program)) throw new Error('dist/main.js is missing: run `npm run build` (npm test does)');
  const folder = dir ?? mkdtempSync(join(tmpdir(), 'recorder-'));
  const token = join(folder, 'service-token');
  if (!existsSync(token)) writeSecret(token, SERVICE_TOKEN);
  const port = await freePort();
  const variables = {
    PATH: process.env['PATH'],
    BIND_ADDR: `127.0.0.1:${port}`,
    CONTAINMENT_POLICY_PATH: join(ROOT, 'policy/incident-containment.yaml'),
    AUDIT_LOG_PATH: join(folder, 'audit.jsonl'),
    SERVICE_TOKEN_PATH: token,
    STORE_RESERVE_BYTES: '0',
    ...env,
  };
  let output = '';
  let child: ChildProcess | null = null;
  let ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }> = Promise.resolve({ code: null, signal: null });

  const end: Program['end'] = async (signal) => {
    child?.kill(signal);
    return ended;
  };
  const start = async () => {
    const [command, ...rest] = [...under, node, ...flags, program];
    const started = spawn(command, rest, { env: variables, stdio: ['ignore', 'pipe', 'pipe'], detached: under.length > 0 });
    child = started;
    // Of this start alone: after many reports all of it is long, and to search it takes longer than to start.
    let told = '';
    const hear = (chunk: Buffer) => {
      output += chunk.toString();
      if (!told.includes('"message":"listening"')) told += chunk.toString();
    };
    started.stdout.on('data', hear);
    started.stderr.on('data', hear);
    ended = once(started, 'exit').then(([code, signal]) => ({ code: code as number | null, signal: signal as NodeJS.Signals | null }));
    while (!told.includes('"message":"listening"')) {
      if (started.exitCode !== null || started.signalCode !== null) throw new Error(`the program ended before it listened:\n${told}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  try {
    await start();
  } catch (error) {
    if (dir === undefined) rmSync(folder, { recursive: true, force: true });
    throw error;
  }
  return {
    dir: folder,
    port,
    url: `http://127.0.0.1:${port}`,
    auditPath: variables.AUDIT_LOG_PATH,
    get pid() {
      return child?.pid ?? 0;
    },
    output: () => output,
    end,
    start,
    async [Symbol.asyncDispose]() {
      if (under.length > 0 && child?.pid) {
        try {
          process.kill(-child.pid, 'SIGKILL');
        } catch {
          // It has ended already.
        }
      }
      await end('SIGKILL');
      if (dir === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Runs the program where it is expected to refuse to start. */
export async function runToEnd(env: Record<string, string>): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [...FLAGS, PROGRAM], {
    env: { PATH: process.env['PATH'], STORE_RESERVE_BYTES: '0', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const killer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(killer);
  return { code, output };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  return port;
}

/** Resident memory of a process in bytes. */
export function residentBytes(pid: number): number {
  const [, kib = '0'] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
  return Number(kib) * 1024;
}
