// One actuator of the tests as a process of its own: told how to behave by a file, ended by signals, and read by what it has logged.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export type Manner = 'does' | 'hangs' | 'acts' | 'accepts' | 'fails' | 'lies' | 'refuses';

/** A line of an actuator's log. */
interface Line {
  readonly at: string;
  readonly what: string;
  /** Of the command. */
  readonly id?: string;
  readonly op?: string;
  readonly hold?: string;
  readonly incident?: string;
  readonly attempt?: number;
  /** Whether the recorder's log had the command when it came. */
  readonly recorded?: boolean;
  readonly life?: number;
}

export interface ActuatorProcess {
  readonly name: string;
  readonly dir: string;
  /** Unless it runs. */
  start(): Promise<void>;
  /** It and whatever it has started. */
  kill(): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** What else it is told, such as `times` and `slow`, goes with its manner. */
  behave(manner: Manner, more?: Record<string, unknown>): void;
  lines(what?: string): Line[];
  /** Its file of this name as JSON; null = there is none. */
  read(name: string): any;
  /** Its file or folder of this name is gone. */
  forget(name: string): void;
  /** Names of the files of a folder of it. */
  list(folder: string): string[];
}

/** @param command a program of node, or `sh` and its script: to a shell its manner is told in one word */
export function openProcess(name: string, dir: string, command: readonly string[], env: Record<string, string>): ActuatorProcess {
  mkdirSync(dir, { recursive: true });
  const isShell = command[0] === 'sh';
  let child: ChildProcess | null = null;
  const signal = (what: NodeJS.Signals, all: boolean) => {
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    try {
      process.kill(all ? -child.pid : child.pid, what);
    } catch {
      // It has just ended by itself.
    }
  };
  return {
    ...{ name, dir },
    async start() {
      if (child && child.exitCode === null && child.signalCode === null) return;
      const [program = '', ...args] = command;
      const variables = { PATH: process.env['PATH'], HOME_DIR: dir, ...env };
      const started = spawn(program, args, { env: variables, stdio: ['ignore', 'pipe', 'inherit'], detached: true });
      child = started;
      let told = '';
      started.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
      while (!told.includes('ready')) {
        if (started.exitCode !== null || started.signalCode !== null) throw new Error(`${name} ended before it was ready`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    async kill() {
      const ending = child;
      if (!ending || ending.exitCode !== null || ending.signalCode !== null) return;
      const ended = once(ending, 'exit');
      signal('SIGKILL', true);
      await ended;
    },
    signal: (what) => signal(what, false),
    behave(manner, more = {}) {
      const [file, text] = isShell ? ['manner', manner] : ['control.json', JSON.stringify({ manner, ...more })];
      writeFileSync(join(dir, `${file}.told`), text);
      renameSync(join(dir, `${file}.told`), join(dir, file));
    },
    lines(what) {
      const path = join(dir, 'log.jsonl');
      const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
      return lines.map((line) => JSON.parse(line) as Line).filter((line) => what === undefined || line.what === what);
    },
    read(file) {
      const path = join(dir, file);
      return existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
    },
    forget: (file) => rmSync(join(dir, file), { recursive: true, force: true }),
    list: (folder) => (existsSync(join(dir, folder)) ? readdirSync(join(dir, folder)).filter((file) => !file.startsWith('.')) : []),
  };
}
