// A log read through before anything is said of it: whether it is sound, where it begins and ends, and what was pruned of it.

import { segmentsIn } from '../audit/blocks.ts';
import { prunedBy } from '../audit/held.ts';
import { type Range, emptyRange } from '../audit/merkle.ts';
import { type Segment, type Verdict, type Watch, verifyLog } from '../audit/verify.ts';
import { createProgress } from './output.ts';

export interface Surveyed {
  /** Seqs of the first and the last record. */
  readonly first: number;
  readonly last: number;
  /** The tree of the records before the first; empty when there are none. */
  readonly pruned: Range;
  /** Why nothing can be said from this log, or null. */
  readonly fault: string | null;
}

/** @param files of one log, oldest first */
export async function survey(files: readonly string[]): Promise<Surveyed> {
  let pruned = emptyRange();
  let first = 0;
  const verdict = await readThrough(files, 'verifying', {
    onRecord(seq, _, line) {
      first ||= seq;
      const told = prunedBy(line, seq);
      if (told?.end === first - 1) pruned = told;
    },
  });
  return { first: verdict.first, last: verdict.last, pruned, fault: faultOf(verdict, pruned) };
}

/** Reads all of a log and verifies it, with its progress on stderr. */
export async function readThrough(files: readonly string[], what: string, { onRecord }: Watch, around = plain): Promise<Verdict> {
  const progress = createProgress(what, files);
  const verdict = await verifyLog(segmentsIn(files).map(around), { onProgress: progress.at, ...(onRecord && { onRecord }) });
  progress.end();
  return verdict;
}

/** What is wrong with a log by itself, or null. */
function faultOf({ fault, first }: Verdict, pruned: Range): string | null {
  if (fault) return `record ${fault.seq}, at byte ${fault.offset} of ${fault.file}, ${fault.reason}`;
  if (pruned.end === first - 1) return null;
  return `the log begins with record ${first}; what came before it is missing, and no record of the log says that it was pruned`;
}

const plain = (segment: Segment) => segment;
