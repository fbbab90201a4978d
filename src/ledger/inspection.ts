// Looks through the whole log while the service runs: the records of the store, and then whether each file holds their very bytes.
//
// Starting does not wait for it, and it works a fifth of the time at most. What it finds is told; a file is written anew from the store.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Log } from '../log.ts';
import { inspectFiles } from './inspect-files.ts';
import { inspectRecords } from './inspect-records.ts';
import type { Inspected, Rest } from './inspected.ts';

export interface Inspection {
  readonly health: 'verifying' | 'ok';
  /** Gives up what is left of it. */
  stop(): Promise<void>;
}

export interface InspectionParts extends Inspected {
  log: Log;
}

/** Work is done in pieces of some 10 ms; after each this many times as long is left to others. */
const REST = 4;

export function startInspection(parts: InspectionParts): Inspection {
  const stopped = new AbortController();
  let health: Inspection['health'] = 'verifying';
  let began = performance.now();
  const rest: Rest = async () => {
    await sleep((performance.now() - began) * REST, undefined, { signal: stopped.signal });
    began = performance.now();
  };
  const inspect = async () => {
    const from = performance.now();
    try {
      await rest();
      await inspectRecords(parts, rest);
      await inspectFiles(parts, rest);
      parts.log.debug('the audit log is verified', { records: parts.until, ms: Math.round(performance.now() - from) });
    } catch (error) {
      if (!stopped.signal.aborted) parts.log.error('the audit log could not be looked through', { error: String(error) });
    }
    health = 'ok';
  };
  const done = inspect();
  return {
    get health() {
      return health;
    },
    async stop() {
      stopped.abort();
      await done;
    },
  };
}
