// The load generator as the one who measures sees it.

import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import type { Compared, Comparison, Flood, Flooded, Job } from './load.ts';

export interface Generator extends Disposable {
  flood(job: Omit<Flood, 'kind' | 'limit' | 'seconds'> & Partial<Pick<Flood, 'limit' | 'seconds'>>): Promise<Flooded>;
  compare(job: Omit<Comparison, 'kind'>): Promise<Compared>;
}

/** However a count is bounded, no job goes on for longer. */
const LONGEST_S = 240;

export function startGenerator(): Generator {
  const child = fork(join(import.meta.dirname, 'load.ts'), { execArgv: [] });
  return {
    flood: async (job) => tell<Flooded>(child, { kind: 'flood', seconds: LONGEST_S, limit: Number.MAX_SAFE_INTEGER, ...job }),
    compare: async (job) => tell<Compared>(child, { kind: 'comparison', ...job }),
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
