// A box: a systemd of the test's own, in which what is tested is installed, started, probed and broken.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { inject } from 'vitest';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Box extends Disposable {
  /** Runs a command in it, as root. */
  run(...command: string[]): Ended;
  /** Runs a line of sh in it. @returns what it printed @throws when it did not end well */
  sh(line: string): string;
  read(path: string): string;
  write(path: string, content: string | Uint8Array, mode?: number): void;
  /** The path of a file in it, as it is seen from outside. */
  at(path: string): string;
}

const SCRIPT = join(import.meta.dirname, 'box.sh');
let boxes = 0;

/** What a test finds in it at /opt/given: the release, and the programs of `inside`. */
export const GIVEN = '/opt/given';

/** `using box = bootBox()` */
export function bootBox(): Box {
  boxes += 1;
  const env = { ...process.env, BOX: `recorder-box-${process.pid}-${boxes}`, MOUNT: inject('given') };
  const ask = (...args: string[]) => spawnSync('bash', [SCRIPT, ...args], { encoding: 'utf8', env, maxBuffer: 2 ** 26 });
  mustEndWell(ask('up'));
  const root = mustEndWell(ask('root')).trim();
  const at = (path: string) => join(root, path);
  const run = (...command: string[]): Ended => {
    const { status, stdout, stderr } = ask('run', ...command);
    return { code: status, out: stdout, err: stderr };
  };
  return {
    run,
    sh(line) {
      const { code, out, err } = run('sh', '-c', line);
      if (code !== 0) throw new Error(`in the box, ${line}\nended with ${code}: ${err}${out}`);
      return out;
    },
    read: (path) => readFileSync(at(path), 'utf8'),
    write(path, content, mode = 0o644) {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), content, { mode });
    },
    at,
    [Symbol.dispose]: () => void ask('down'),
  };
}

function mustEndWell({ status, stdout, stderr }: SpawnSyncReturns<string>): string {
  if (status !== 0) throw new Error(`the box: ${stderr}${stdout}`);
  return stdout;
}
