// A command run to its end, with how long it took and the most memory that it had.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/program.ts';

export interface Ran {
  readonly seconds: number;
  readonly peak_bytes: number;
}

const CLI = join(ROOT, 'dist/cli.js');
/** As `.tools/launch.sh cli` starts it. */
const CLI_FLAGS = ['--max-semi-space-size=2'];
const LOOK_MS = 50;

/** The operator's command. @throws Error when it does not end with 0 */
export async function runCli(args: readonly string[], flags: readonly string[] = []): Promise<Ran> {
  return run(process.execPath, [...CLI_FLAGS, ...flags, CLI, ...args]);
}

/** @throws Error when it does not end with 0 */
export async function run(command: string, args: readonly string[]): Promise<Ran> {
  const from = performance.now();
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  let peak_bytes = 0;
  const look = setInterval(() => (peak_bytes = Math.max(peak_bytes, peakBytes(child.pid ?? 0))), LOOK_MS);
  const [code] = (await once(child, 'close')) as [number | null];
  const seconds = (performance.now() - from) / 1000;
  clearInterval(look);
  if (code !== 0) throw new Error(`${[command, ...args].join(' ')} ended with ${code}: ${output.slice(0, 500)}`);
  return { seconds, peak_bytes };
}

/** The most that a process has had resident so far; 0 when it has ended. */
export function peakBytes(pid: number): number {
  try {
    const [, kib = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kib) * 1024;
  } catch {
    return 0;
  }
}
