// Callers who were refused: counted in memory and recorded at most twice a minute, so that nobody without a token can fill the disk.

import type { Log } from '../log.ts';
import { OURSELVES } from './caller.ts';
import { tokensFinding } from './findings.ts';
import type { Queue } from './queue.ts';
import { findingChange } from './report.ts';

/** Why a caller was refused; a closed set. */
export type Reason = 'no token' | 'malformed token' | 'unknown token' | 'role' | 'source or class';

export interface Refusals {
  denied(reason: Reason): void;
  /** `token` is the name of a known token that is over its rate. */
  limited(token: string): void;
  /** Closes the minute when it is over, or at once when `now` says so. */
  settle(atOnce?: boolean): void;
}

const MINUTE_MS = 60_000;
/** So many refused tokens in a minute are an incident of our own. */
const SUSPICIOUS = 20;

export interface RefusalsParts {
  queue: Pick<Queue, 'submit'>;
  log: Log;
  /** Milliseconds that never go back. */
  monotonic: () => number;
}

export function createRefusals({ queue, log, monotonic }: RefusalsParts): Refusals {
  let since: number | null = null;
  let count = 0;
  let unrecorded = new Map<Reason, number>();
  let limited = new Map<string, number>();

  const record = (what: string, change: Parameters<Queue['submit']>[0]) => {
    queue.submit(change).catch((error: unknown) => log.error(`${what} could not be recorded`, { error: String(error) }));
  };
  const recordDenied = () => {
    const reasons = Object.fromEntries(unrecorded);
    const sum = unrecorded.values().reduce((a, b) => a + b, 0);
    unrecorded = new Map();
    if (sum > 0) record('refused tokens', (draft) => draft.record('auth.denied', null, OURSELVES.actor, { count: sum, reasons }));
  };
  const recordLimited = () => {
    for (const [token, refused] of limited) {
      record('a rate', (draft) => draft.record('rate.limited', null, OURSELVES.actor, { token, refused }));
    }
    limited = new Map();
  };
  /** Opens a minute with the first refusal of any kind; true when this is it. */
  const opens = () => {
    settle();
    if (since !== null) return false;
    since = monotonic();
    return true;
  };
  const settle = (atOnce = false) => {
    if (since === null || (!atOnce && monotonic() - since < MINUTE_MS)) return;
    recordDenied();
    recordLimited();
    since = null;
    count = 0;
  };

  return {
    denied(reason) {
      opens();
      count += 1;
      unrecorded.set(reason, (unrecorded.get(reason) ?? 0) + 1);
      if (count === 1) recordDenied();
      if (count === SUSPICIOUS) record('an incident of our own', findingChange(tokensFinding(SUSPICIOUS), log));
    },
    limited(token) {
      opens();
      limited.set(token, (limited.get(token) ?? 0) + 1);
    },
    settle,
  };
}
