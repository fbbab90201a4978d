// A box: a systemd of the test's own, in which what is tested is installed, started, probed, measured and broken.

import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
  /** Its name, which its cgroups have too. */
  readonly name: string;
  /** Its network, for nsenter. */
  readonly network: string;
}

export interface BoxOptions {
  /** A folder that is seen in it at GIVEN; of the tests, the one that `release.ts` has made. */
  readonly mount?: string;
  /** An empty folder of a real disk, for what is written under /usr/lib and to the state of services: else it is written to memory. */
  readonly disk?: string;
}

const SCRIPT = join(import.meta.dirname, 'box.sh');
let boxes = 0;

/** What a test finds in it at /opt/given: the release, and the programs of `inside`. */
export const GIVEN = '/opt/given';

/** Where `release.ts` leaves the path of what it has made. */
export const GIVEN_IN = 'RECORDER_GIVEN';

/** `using box = bootBox()` */
export function bootBox({ mount = process.env[GIVEN_IN] ?? '', disk = '' }: BoxOptions = {}): Box {
  boxes += 1;
  const name = `recorder-box-${process.pid}-${boxes}`;
  const env = { ...process.env, BOX: name, MOUNT: mount, DISK: disk };
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
    name,
    network: join(dirname(root), 'ns/net'),
    [Symbol.dispose]: () => void ask('down'),
  };
}

function mustEndWell({ status, stdout, stderr }: SpawnSyncReturns<string>): string {
  if (status !== 0) throw new Error(`the box: ${stderr}${stdout}`);
  return stdout;
}
