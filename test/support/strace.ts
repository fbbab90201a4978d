// A program whose calls to the system are watched, or made to fail, by strace.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export const NO_STRACE = 'strace cannot trace here';

export function canTrace(): boolean {
  try {
    execFileSync('strace', ['-o', '/dev/null', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export interface TraceParts {
  /** Only calls on these files are seen, and only those fail. They need not be there yet. */
  files: readonly string[];
  /** Names of calls, by comma. */
  calls: string;
  /** What strace shall inject, such as `error=EIO:when=3`; counted by each thread for itself. */
  inject?: string;
  /** Where the trace is written. */
  to: string;
}

/** What stands in front of a command; the command stays the child of whoever starts it, and is what a signal reaches. */
export function tracing({ files, calls, inject, to }: TraceParts): string[] {
  const failing = inject === undefined ? [] : ['-e', `inject=${calls}:${inject}`];
  return ['strace', '-D', '-f', '-y', '-q', '-o', to, ...files.flatMap((file) => ['-P', file]), '-e', `trace=${calls}`, ...failing];
}

/** What was called, line by line, once the process has ended. */
export async function traceOf(path: string, pid: number): Promise<string[]> {
  for (;;) {
    const text = readFileSync(path, 'utf8');
    if (new RegExp(`^${pid} +\\+\\+\\+ `, 'm').test(text)) return text.split('\n').filter((line) => / [a-z0-9_]+\(/.test(line));
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
