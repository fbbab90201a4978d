// The database made again out of the log alone: every record is verified, and what it says happened happens once more.

import { isUtf8 } from 'node:buffer';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { blocksOf } from '../audit/blocks.ts';
import { isOldSegment, syncFolder } from '../audit/segments.ts';
import { type Segment, type Verdict, verifyLog } from '../audit/verify.ts';
import { RecorderError } from '../errors.ts';
import { type Building, openBuilding } from '../store/building.ts';
import { lockStore } from '../store/database.ts';
import { type Replay, createReplay } from '../recorder/replay.ts';
import type { Synced } from '../audit/segments.ts';

export interface RebuildParts {
  /** Of one log, oldest first. */
  files: readonly string[];
  /** Where the database is to stand. */
  path: string;
  onProgress?: (bytes: number) => void;
}

export interface Rebuilt extends Verdict {
  /** Records beyond the log, which end the change within which it was cut short. */
  readonly added: number;
}

/** Records of a transaction. */
const BATCH = 1000;

/**
 * With a fault nothing was made. A torn last line is left out.
 * @throws RecorderError "invalid_parameter" when there is a database already, or no record in the log; "storage_failed" when another
 * recorder has that database, or a record cannot be told again. Then nothing was made either
 */
export async function rebuild({ files, path, onProgress }: RebuildParts): Promise<Rebuilt> {
  mkdirSync(dirname(path), { recursive: true });
  using _lock = lockStore(path);
  if (existsSync(path)) throw new RecorderError('invalid_parameter', `${path}: there is a database already; it is never written over`);
  const making = `${path}.rebuilding`;
  const remove = () => ['', '-wal', '-shm'].forEach((end) => rmSync(`${making}${end}`, { force: true }));
  remove();
  try {
    const built = await build(files, making, onProgress);
    if (built.fault === null) {
      renameSync(making, path);
      syncFolder(dirname(path));
    }
    return built;
  } finally {
    remove();
  }
}

async function build(files: readonly string[], path: string, onProgress: RebuildParts['onProgress']): Promise<Rebuilt> {
  using building = openBuilding(path);
  const place = createPlace();
  const { verdict, replay } = await fill(building, place.follow(files), { onRecord: place.onRecord, ...(onProgress && { onProgress }) });
  if (verdict.fault) return { ...verdict, added: 0 };
  if (verdict.last < verdict.first) throw new RecorderError('invalid_parameter', 'there is no record in the log');
  const added = within(building, () => {
    building.meta.setSynced(place.synced());
    return replay.finish();
  });
  building.finish();
  return { ...verdict, added };
}

/** Tells all records of the segments to a store in the making, up to the first fault. */
export async function fill(
  building: Building,
  segments: Iterable<Segment>,
  { onRecord, onProgress }: { onRecord?: (seq: number, bytes: number) => void; onProgress?: (bytes: number) => void } = {},
): Promise<{ verdict: Verdict; replay: Replay }> {
  const { transaction } = building;
  const replay = createReplay(building);
  transaction.begin();
  const verdict = await verifyLog(segments, {
    onRecord(seq, _, line) {
      if (!isUtf8(line)) throw new RecorderError('storage_failed', `record ${seq} of the log cannot be told again: it is not UTF-8`);
      replay.take(line.toString('utf8'));
      onRecord?.(seq, line.length + 1);
      if (seq % BATCH > 0) return;
      transaction.commit();
      transaction.begin();
    },
    ...(onProgress && { onProgress }),
  });
  transaction.commit();
  return { verdict, replay };
}

function within<T>({ transaction }: Building, change: () => T): T {
  transaction.begin();
  const result = change();
  transaction.commit();
  return result;
}

/** Where in the newest file of the log its last record stands: there the service goes on. */
function createPlace(): {
  follow(files: readonly string[]): Iterable<Segment>;
  onRecord(seq: number, bytes: number): void;
  synced(): Synced;
} {
  let [seq, first, offset] = [0, 1, 0];
  return {
    *follow(files) {
      for (const name of files) {
        [first, offset] = [seq + 1, 0];
        yield { name, blocks: blocksOf(name) };
        // An older file has ended: what comes next begins another.
        if (isOldSegment(name) || name.endsWith('.gz')) [first, offset] = [seq + 1, 0];
      }
    },
    onRecord(next, bytes) {
      if (offset === 0) first = next;
      [seq, offset] = [next, offset + bytes];
    },
    synced: () => ({ seq, offset, first }),
  };
}
