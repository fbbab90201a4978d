// The next piece of the log that is to be written: whole lines, and never beyond the end of a file.

import { typeOf } from '../audit/record.ts';
import type { Store } from '../store/store.ts';

interface Piece {
  readonly text: string;
  /** Seq of its last record. */
  readonly last: number;
  /** Whether that record is the last of its file. */
  readonly endsFile: boolean;
}

const MAX_RECORDS = 1000;
const MAX_BYTES = 1024 * 1024;

/** What follows record `seq`, up to record `to`; null when nothing does. */
export function pieceAfter(records: Pick<Store['records'], 'after'>, seq: number, to = Number.MAX_SAFE_INTEGER): Piece | null {
  const fresh = records.after(seq, Math.min(MAX_RECORDS, Math.max(0, to - seq)), MAX_BYTES);
  const end = fresh.findIndex(({ line }) => typeOf(line) === 'log.rotated');
  const taken = end < 0 ? fresh : fresh.slice(0, end + 1);
  const last = taken.at(-1);
  return last ? { text: taken.map(({ line }) => `${line}\n`).join(''), last: last.seq, endsFile: end >= 0 } : null;
}
