// How a command speaks: data on stdout, the rest on stderr, an exit code that a script can read.

import { statSync } from 'node:fs';
import { RecorderError } from '../errors.ts';
import { escapeUnprintable } from '../log.ts';

/** What a command ends with. */
export const EXIT = { ok: 0, failed: 1, usage: 2, found: 3, torn: 4, unreachable: 69, unauthorised: 77, configuration: 78 } as const;

/** One line of data. What comes from a log is somebody's text, and is not obeyed by the terminal. */
export function print(line: string): void {
  process.stdout.write(`${escapeUnprintable(line)}\n`);
}

/** A message, which may have several lines. */
export function printError(message: string): void {
  process.stderr.write(`${message.split('\n').map(escapeUnprintable).join('\n')}\n`);
}

/** A progress line on a terminal for bytes read of all these files, rewritten in place; nothing where stderr is a file or a pipe. */
export function createProgress(what: string, files: readonly string[]): { at(bytes: number): void; end(): void } {
  const total = files.reduce((sum, file) => sum + statSync(file).size, 0);
  let shown = -1;
  const show = (text: string) => process.stderr.isTTY && process.stderr.write(`\r${text}\u001b[K`);
  return {
    at(bytes) {
      const percent = total === 0 ? 100 : Math.floor((bytes / total) * 100);
      if (percent === shown) return;
      shown = percent;
      show(`${what} ${percent}%`);
    },
    end: () => void show(''),
  };
}

/** Runs a command and turns what it throws into a message and an exit code. */
export async function runCommand(command: () => number | Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    printError(`incident-recorder: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = codeOf(error);
  }
}

function codeOf(error: unknown): number {
  if (!(error instanceof RecorderError)) return EXIT.failed;
  switch (error.code) {
    case 'invalid_configuration':
      return EXIT.configuration;
    case 'invalid_parameter':
      return EXIT.usage;
    default:
      return EXIT.failed;
  }
}
