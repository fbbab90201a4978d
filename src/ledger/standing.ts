// Where the log stands when the recorder starts: which of it is durable, and what of it is no copy of the store.
//
// A line is written only once its record is durable in the store. A crash leaves it whole, torn or missing, but never other than
// its record, and never whole and unknown to the store. All else is tampering, or a restore: that file is kept aside, untouched.

import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { type LogFile, endsOf, linesIn, openLogFile } from '../audit/file.ts';
import { headOf, isIntact } from '../audit/record.ts';
import { type Damage, type Synced, isAsideOf, keepAside, oldSegmentsOf, syncFolder } from '../audit/segments.ts';
import type { Store } from '../store/store.ts';

export interface Standing {
  readonly file: LogFile;
  readonly durable: Synced;
  /** What was untold, and what was found now. */
  readonly damaged: readonly Damage[];
}

type Records = Pick<Store['records'], 'line' | 'first'>;

export interface StandingParts {
  path: string;
  /** What was durable when the recorder last ran. */
  known: Synced;
  /** What an earlier start found, and ended before it could tell of it. */
  untold: readonly Damage[];
  records: Records;
  now: () => Date;
  /** Told of all that is untold so far before the last of it is renamed: a start that ends there must not forget it. */
  onDamage: (damaged: readonly Damage[]) => void;
}

export function standingOf({ path, known, untold, records, now, onDamage }: StandingParts): Standing {
  let damaged = untold;
  const aside = (damagedPath: string, reason: string) => {
    // Remembered by a start that ended before it was renamed: it is the same damage, under the name that it gets now.
    const unkept = damaged.find((each) => isAsideOf(each.file, damagedPath) && each.reason === reason && !existsSync(each.file));
    const beyond = holdsBeyond(damagedPath, records) || unkept?.beyond === true;
    keepAside(damagedPath, now(), (file) => {
      damaged = [...damaged.filter((each) => each !== unkept), { file, reason, beyond }];
      onDamage(damaged);
    });
    syncFolder(dirname(path));
  };
  const begin = beginOf(path, known, records, aside);
  const file = openLogFile(path);
  const nothing = { first: begin, seq: begin - 1, offset: 0 };
  // A start that ended when it had kept the newest aside leaves an empty one, whatever was durable before: nothing is lost by that.
  const isBegun = file.size === 0 && damaged.some((each) => isAsideOf(each.file, path) && existsSync(each.file));
  if (isBegun) return { file, durable: nothing, damaged };
  const found = placeOf(file, known, begin, records);
  const reason = 'reason' in found ? found.reason : faultBehind(file, found, records);
  if (reason === null && !('reason' in found)) return { file, durable: found, damaged };
  file.close();
  aside(path, String(reason));
  return { file: openLogFile(path), durable: nothing, damaged };
}

/** The record that the newest file begins with: the one after the last of the older files. */
function beginOf(path: string, known: Synced, records: Records, aside: (path: string, reason: string) => void): number {
  const kept = records.first();
  // Below are what a pruning has left that was cut short.
  for (const segment of oldSegmentsOf(path)
    .filter(({ first }) => first >= kept)
    .toReversed()) {
    // What was compressed since is looked at in the background only; the recorder's own newest old file is not.
    if (segment.path.endsWith('.gz')) return Math.max(known.first, segment.first);
    const ends = endsOf(segment.path);
    const seq = headOf(ends?.last ?? '')?.seq ?? 0;
    if (ends && seq >= segment.first && ends.last === records.line(seq) && ends.first === records.line(segment.first)) return seq + 1;
    aside(segment.path, `it does not begin with record ${segment.first} and end with a later one as the store holds them`);
  }
  return kept;
}

/** Whether a file has a whole record which the store does not hold, wherever it stands: what follows it may be torn, or was put there. */
function holdsBeyond(path: string, records: Records): boolean {
  for (const line of linesIn(path)) {
    const head = headOf(line);
    if (head !== null && records.line(head.seq) !== line && isIntact(line)) return true;
  }
  return false;
}

/** How much of the file is durable for sure, or why it is not the file that the recorder last wrote. */
function placeOf(file: LogFile, known: Synced, begin: number, records: Records): Synced | { reason: string } {
  const nothing = { first: begin, seq: begin - 1, offset: 0 };
  // Nothing was durable in it yet: it is empty, or begins as it must, or is somebody else's. Perhaps it was begun and not remembered.
  if (known.seq < begin) {
    const [first] = file.linesFrom(0);
    const isOurs = file.size === 0 || (records.line(begin) !== null && (first === undefined || first.line === records.line(begin)));
    return isOurs ? nothing : { reason: 'the file was not written from this store' };
  }
  if (file.size < known.offset) return { reason: `the file is ${file.size} bytes long; ${known.offset} were durable` };
  const line = records.line(known.seq);
  if (line === null) return { reason: `the store no longer holds record ${known.seq}` };
  if (known.first !== begin) return { reason: `no older file holds records ${begin} to ${known.first - 1}` };
  return file.lineEndingAt(known.offset) === line
    ? known
    : { reason: `the line that ends at byte ${known.offset} is not record ${known.seq}` };
}

/** Whole records behind the durable part which the store does not hold: then the store is an older copy that was put back. */
function faultBehind(file: LogFile, { seq, offset }: Synced, records: Records): string | null {
  let next = seq + 1;
  for (const { line } of file.linesFrom(offset)) {
    if (line !== records.line(next)) {
      const isRecord = headOf(line)?.seq === next && isIntact(line);
      return isRecord ? `the file holds a record ${next} which the store does not hold` : null;
    }
    next += 1;
  }
  return null;
}
