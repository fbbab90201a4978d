// The load generator as the one who measures sees it.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Answering, Compared, Comparison, Flood, Flooded, Job } from './load.ts';

export interface Generator extends Disposable {
  flood(job: Omit<Flood, Preset> & Partial<Pick<Flood, Preset>>): Promise<Flooded>;
  compare(job: Omit<Comparison, 'kind'>): Promise<Compared>;
  /** Asks again and again until the answer is a good one. @returns when that was, by the clock of `process.hrtime`, in milliseconds */
  firstAnswer(job: Omit<Answering, 'kind'>): Promise<number>;
}

type Preset = keyof typeof PRESET;

/** However a count is bounded, no job goes on for longer. */
const LONGEST_S = 240;
const PRESET = { kind: 'flood', seconds: LONGEST_S, limit: Number.MAX_SAFE_INTEGER, settle_ms: 250 } as const;

/** @param network the network namespace that it is to be in; null = this one */
export function startGenerator(network: string | null = null): Generator {
  const within = network === null ? {} : { execPath: 'nsenter', execArgv: [`--net=${network}`, process.execPath] };
  const child = fork(join(import.meta.dirname, 'load.ts'), { execArgv: [], ...within });
  return {
    flood: async (job) => tell<Flooded>(child, { ...PRESET, ...job }),
    compare: async (job) => tell<Compared>(child, { kind: 'comparison', ...job }),
    firstAnswer: async (job) => tell<number>(child, { kind: 'answering', ...job }),
    [Symbol.dispose]: () => void child.kill('SIGKILL'),
  };
}

function tell<T>(child: ChildProcess, job: Job): Promise<T> {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error('the load generator ended'));
    child.once('exit', ended);
    child.once('message', (answer: { result: T } | { error: string }) => {
      child.off('exit', ended);
      if ('error' in answer) reject(new Error(answer.error));
      else resolve(answer.result);
    });
    child.send(job);
  });
}
