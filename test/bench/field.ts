// The field around a recorder, as the one who measures sees it: what reporters and actuators are told to do.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { FLAGS } from '../support/program.ts';
import type { Behave, Job, Manner, Open, Send, Sent, Watch } from './field-process.ts';

export interface Field extends Disposable {
  /** @returns where it takes commands, as a policy names it */
  open(name: string, socket: string | null, manner?: Manner): Promise<string>;
  behave(name: string, manner: Manner): Promise<void>;
  send(job: Pick<Send, 'port' | 'class' | 'from'> & Partial<Omit<Send, 'kind'>>): Promise<Sent>;
  /** Milliseconds of each request. */
  watch(job: Omit<Watch, 'kind'>): Promise<readonly number[]>;
  /** Ends what is watched. */
  still(): Promise<void>;
}

const LONGEST_S = 240;

export function startField(): Field {
  const tell = startProcess<Job>('field-process.ts', []);
  return {
    open: async (name, socket, manner = 'enforce') => tell({ kind: 'open', name, socket, manner } satisfies Open) as Promise<string>,
    behave: async (name, manner) => tell({ kind: 'behave', name, manner } satisfies Behave) as Promise<never>,
    send: async (job) => {
      const rest = { reporters: 1, count: Number.MAX_SAFE_INTEGER, seconds: LONGEST_S, commands: true, wait: null, pause_ms: 0 };
      return tell({ kind: 'send', ...rest, ...job }) as Promise<Sent>;
    },
    watch: async (job) => tell({ kind: 'watch', ...job }) as Promise<number[]>,
    still: async () => tell({ kind: 'still' }) as Promise<never>,
    [Symbol.dispose]: tell.end,
  };
}

/** What the recorder does for each report is made of these: measured in a process of their own, with the flags of production. */
export interface Bare extends Disposable {
  /** Milliseconds of one round trip to an actuator each, by the recorder's own client. */
  ask(push: string, times: number): Promise<readonly number[]>;
  /** Milliseconds of one durable commit each, in a database as the recorder opens it. */
  commit(path: string, times: number): Promise<readonly number[]>;
  /** What each part of a second's upkeep takes on a store, in milliseconds, by its name. */
  upkeep(path: string, actuator: string, times: number): Promise<Readonly<Record<string, number>>>;
}

export function startBare(): Bare {
  const tell = startProcess<object>('yardsticks/bare.mjs', FLAGS);
  return {
    ask: async (push, times) => tell({ kind: 'ask', push, times }) as Promise<number[]>,
    commit: async (path, times) => tell({ kind: 'commit', path, times }) as Promise<number[]>,
    upkeep: async (path, actuator, times) => tell({ kind: 'upkeep', path, actuator, times }) as Promise<Record<string, number>>,
    [Symbol.dispose]: tell.end,
  };
}

type Tell<T> = ((job: T) => Promise<unknown>) & { readonly end: () => void };

/** A process that is told jobs, several at the same time, and answers each. */
function startProcess<T>(file: string, execArgv: readonly string[]): Tell<T> {
  const child: ChildProcess = fork(join(import.meta.dirname, file), { execArgv: [...execArgv] });
  const asked = new Map<number, { resolve: (result: unknown) => void; reject: (error: Error) => void }>();
  let n = 0;
  child.on('message', (answer: { n: number; result: unknown } | { n: number; error: string }) => {
    const one = asked.get(answer.n);
    asked.delete(answer.n);
    if ('error' in answer) one?.reject(new Error(answer.error));
    else one?.resolve(answer.result);
  });
  child.once('exit', () => asked.forEach(({ reject }) => reject(new Error(`${file} ended`))));
  const tell = async (job: T) =>
    new Promise<unknown>((resolve, reject) => {
      n += 1;
      asked.set(n, { resolve, reject });
      child.send({ n, job });
    });
  return Object.assign(tell, { end: () => void child.kill('SIGKILL') });
}
