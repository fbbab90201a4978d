// A policy tried on the newest part of the history, as much of it as a running service can afford to read, in slices.

import { setImmediate } from 'node:timers/promises';
import { typeOf } from '../audit/record.ts';
import { RecorderError } from '../errors.ts';
import { readRecord } from '../incident/recorded.ts';
import type { Policy } from '../policy/policy.ts';
import { type Bounds, REPLAYED, type Replayed, createPolicyReplay } from '../policy/replay.ts';
import type { Store } from '../store/store.ts';

export interface Trial extends Replayed {
  /** What was read; `cut`: it does not reach back to the first record that is kept. */
  readonly records: { readonly first: number; readonly last: number; readonly cut: boolean };
}

type Records = Pick<Store['records'], 'head' | 'first' | 'line' | 'after'>;

/** What is read, whichever is reached first; the command line reads everything. */
const MAX_INCIDENTS = 1000;
const MAX_RECORDS = 20_000;
/** UTF-16 units of lines. */
const MAX_LENGTH = 16 * 1024 * 1024;

/** Some MB at the very worst; more than 1,000 incidents need, unless the candidate takes each of their reports for another one. */
const BOUNDS: Bounds = { incidents: 2000, holds: 2000, windows: 1000, targets: 5000 };

/** Everybody else has a turn after so many milliseconds. */
const SLICE_MS = 4;
const PAGE_RECORDS = 64;
const PAGE_LENGTH = 64 * 1024;

/**
 * @param isGone whether nobody waits for it any more: then it ends early
 * @throws RecorderError "malformed_request" when it ended early
 */
export async function replayRecent(records: Records, candidate: Policy, isGone: () => boolean): Promise<Trial> {
  const rest = createRest(isGone);
  const last = records.head().seq;
  const first = await beginOf(records, last, rest);
  const replay = createPolicyReplay(candidate, BOUNDS);
  for (let after = first - 1; after < last;) {
    const page = records.after(after, Math.min(PAGE_RECORDS, last - after), PAGE_LENGTH);
    if (page.length === 0) break;
    for (const { seq, line } of page) {
      if (REPLAYED.has(typeOf(line))) replay.take(readRecord(line));
      after = seq;
      await rest();
    }
  }
  return { records: { first, last, cut: first > records.first() }, ...replay.outcome() };
}

/** The seq of the record to begin with, found from the end: nothing says in advance how far back so many incidents reach. */
async function beginOf(records: Records, last: number, rest: () => Promise<void>): Promise<number> {
  const oldest = Math.max(records.first(), last - MAX_RECORDS + 1);
  let [incidents, length] = [0, 0];
  for (let seq = last; seq >= oldest; seq -= 1) {
    const line = records.line(seq) ?? '';
    length += line.length;
    if (length > MAX_LENGTH) return seq + 1;
    if (typeOf(line) === 'incident.reported') incidents += 1;
    if (incidents === MAX_INCIDENTS) return seq;
    await rest();
  }
  return oldest;
}

/** To be awaited often: most times it is over at once. */
function createRest(isGone: () => boolean): () => Promise<void> {
  let began = performance.now();
  return async () => {
    if (performance.now() - began < SLICE_MS) return;
    await setImmediate();
    if (isGone()) throw new RecorderError('malformed_request', 'the connection ended before the answer');
    began = performance.now();
  };
}
