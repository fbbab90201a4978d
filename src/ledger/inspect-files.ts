// Whether each file of the log holds the very bytes of its records. One that does not is kept aside, and written anew from the store.

import { chmodSync, closeSync, fdatasyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { blocksOf } from '../audit/blocks.ts';
import { typeOf } from '../audit/record.ts';
import { keepAside, oldSegmentsOf, segmentPath, syncFolder } from '../audit/segments.ts';
import type { Store } from '../store/store.ts';
import type { Inspected, Rest } from './inspected.ts';
import { pieceAfter } from './piece.ts';

type Records = Pick<Store['records'], 'after' | 'first'>;

const CHUNK_RECORDS = 500;
const CHUNK_BYTES = 256 * 1024;
const LF = 0x0a;

export async function inspectFiles({ path, store, mirror, until, now, onDamage }: Inspected, rest: Rest): Promise<void> {
  const { records } = store;
  /** The first record that no file was found to hold yet. */
  let next = records.first();
  // A file that is ended meanwhile lies under another name: then it is one of the old ones, and is looked at again.
  for (let looked = 0; looked !== mirror.first;) {
    const newest = mirror.first;
    const from = next;
    looked = newest;
    const old = oldSegmentsOf(path).filter(({ first }) => first >= from && first < newest);
    for (const [i, segment] of old.entries()) {
      const last = (old[i + 1]?.first ?? newest) - 1;
      await fillGap(segment.first - 1);
      const found = await look(segment.path, segment.first, last, records, rest);
      if (found.reason !== null) {
        const file = keepAside(segment.path, now());
        await write(path, segment.first, last, records, rest);
        await onDamage({ file, reason: found.reason, beyond: false });
      }
      next = found.reason === null ? found.next : last + 1;
    }
    await fillGap(newest - 1);
    const { reason } = await look(path, newest, until, records, rest, true);
    if (reason !== null && newest === mirror.first) mirror.replace(reason);
  }

  async function fillGap(last: number): Promise<void> {
    if (next > last) return;
    await write(path, next, last, records, rest);
    await onDamage({ file: segmentPath(path, next), reason: `no file held records ${next} to ${last}`, beyond: false });
  }
}

interface Look {
  /** The record that the next file begins with. */
  readonly next: number;
  /** Why the file does not hold exactly its records, or null. */
  readonly reason: string | null;
}

/** At a file of records `first` to `last`, or to a `log.rotated` before that. An `open` one may go on behind them. */
async function look(path: string, first: number, last: number, records: Records, rest: Rest, open = false): Promise<Look> {
  let seq = first;
  const bad = (reason: string): Look => ({ next: seq, reason });
  let ended = false;
  let page: { line: string }[] = [];
  try {
    for await (const block of blocksOf(path)) {
      // The first byte of a block is a spare one.
      for (let start = 1; start < block.length;) {
        if (seq > last) return open ? { next: seq, reason: null } : bad(`it goes on behind record ${last}`);
        if (page.length === 0) page = records.after(seq - 1, CHUNK_RECORDS, CHUNK_BYTES).toReversed();
        const lf = block.indexOf(LF, start);
        const line = page.pop()?.line;
        if (lf < 0 || line === undefined || !block.subarray(start, lf).equals(Buffer.from(line)))
          return bad(`it does not hold record ${seq}`);
        ended = typeOf(line) === 'log.rotated';
        seq += 1;
        start = lf + 1;
      }
      await rest();
    }
  } catch (error) {
    const { name, code } = error as NodeJS.ErrnoException;
    if (name === 'AbortError' || code === undefined) throw error;
    return bad(`it cannot be read (${code})`);
  }
  return seq > last || ended ? { next: seq, reason: null } : bad(`it ends before record ${seq}`);
}

/** Records `first` to `last` as files of the log, each whole or not at all. */
async function write(log: string, first: number, last: number, records: Records, rest: Rest): Promise<void> {
  for (let begin = first; begin <= last;) {
    const temporary = `${segmentPath(log, begin)}.new`;
    const fd = openSync(temporary, 'w', 0o640);
    let seq = begin - 1;
    try {
      for (let piece = pieceAfter(records, seq, last); piece; piece = piece.endsFile ? null : pieceAfter(records, seq, last)) {
        writeFileSync(fd, piece.text);
        seq = piece.last;
        await rest();
      }
      fdatasyncSync(fd);
    } finally {
      closeSync(fd);
    }
    chmodSync(temporary, 0o440);
    renameSync(temporary, segmentPath(log, begin));
    syncFolder(dirname(log));
    if (seq < begin) return;
    begin = seq + 1;
  }
}
