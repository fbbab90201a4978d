// A store held against the log: what the log tells is made anew beside it, and the two must not differ in anything.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { blocksOf } from '../audit/blocks.ts';
import { headOf } from '../audit/record.ts';
import type { Segment } from '../audit/verify.ts';
import { RecorderError } from '../errors.ts';
import { openBuilding } from '../store/building.ts';
import { type Comparison, type Difference, openComparison } from '../store/compare.ts';
import { fill } from './rebuild.ts';

const CHUNK_RECORDS = 1000;
const CHUNK_BYTES = 1024 * 1024;
const LIMIT = 20;

/**
 * A log may end before the store does, as it does while the service runs: then the store's own records are told on top of it, as far as
 * they follow, so that it is compared as it is now. A store that ends before the log lacks what the log has more.
 * @param files of one log, oldest first
 * @returns `a` is the store, `b` the log; at most 20 differences of each kind and table
 * @throws RecorderError "storage_failed" when the log is not sound, or cannot be told again
 */
export async function compareWithLog(
  files: readonly string[],
  database: string,
  onProgress: (bytes: number) => void = () => {},
): Promise<Difference[]> {
  const folder = mkdtempSync(join(tmpdir(), 'incident-recorder-'));
  try {
    const path = join(folder, 'rebuilt.db');
    using opened = new DisposableStack();
    let store: Comparison | null = null;
    // Not before the log was read: then the store cannot be behind it because of what is written meanwhile.
    const openNow = () => (store ??= opened.use(openComparison(database)));
    const building = opened.use(openBuilding(path));
    let last = 0;
    function* segments(): Generator<Segment> {
      for (const name of files) yield { name, blocks: blocksOf(name) };
      yield { name: database, blocks: behind(openNow(), last) };
    }
    const { verdict } = await fill(building, segments(), { onRecord: (seq) => void (last = seq), onProgress });
    // Where the store's own records do not follow, they are more than the log tells, which is found below.
    if (verdict.fault && verdict.fault.file !== database) {
      const { seq, file, offset, reason } = verdict.fault;
      throw new RecorderError('storage_failed', `record ${seq}, at byte ${offset} of ${file}, ${reason}`);
    }
    building.finish();
    return openNow().with(path, LIMIT);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The store's records behind the `last` of the log, as blocks. */
function* behind({ records }: Comparison, last: number): Generator<Buffer> {
  for (let seq = last; ;) {
    const lines = records.after(seq, CHUNK_RECORDS, CHUNK_BYTES).map(({ line }) => line);
    const end = lines.at(-1);
    if (end === undefined) return;
    yield Buffer.from(` ${lines.join('\n')}\n`);
    seq = headOf(end)?.seq ?? Number.MAX_SAFE_INTEGER;
  }
}
