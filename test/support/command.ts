// The operator's command as it is called: the built program, what it prints, and the code that a script reads.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from './program.ts';

/** Built by the launcher before the tests; `npx vitest` alone does not. */
export const COMMAND = join(ROOT, 'dist/cli.js');

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs it in a folder, with an empty environment unless one is given. */
export async function runCommand(cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [COMMAND, ...args], { cwd, env, maxBuffer: 2 ** 28 }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}
