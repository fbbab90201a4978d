// Letting the oldest files of the log go, with the service stopped: only whole files, older than asked, that a signed checkpoint covers.

import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SigningKey } from '../audit/key.ts';
import { rootOf } from '../audit/merkle.ts';
import { headOf } from '../audit/record.ts';
import { checkpointPath, oldSegmentsOf, syncFolder } from '../audit/segments.ts';
import { RecorderError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Policy } from '../policy/policy.ts';
import type { Store } from '../store/store.ts';
import { createCheckpoints, isOurs, readCheckpoint } from './checkpoints.ts';
import { openLog } from './log-opening.ts';
import { pruneChange } from '../recorder/prune.ts';
import { createBell } from '../recorder/bell.ts';
import { createQueue } from '../recorder/queue.ts';
import type { Room } from '../recorder/room.ts';

export interface PruneParts {
  path: string;
  keyPath: string;
  origin: string;
  store: Store;
  /** What the service will start with. */
  policy: Policy;
  room: Room;
  /** Files of which every record is older go. */
  before: Date;
  log: Log;
  now: () => Date;
}

export interface Pruned {
  /** Records that went; null when there was nothing to prune. */
  readonly records: { readonly from: number; readonly to: number } | null;
  readonly files: readonly string[];
}

/** A request is known again for that long, and a report may join for longer: what is younger stays. */
const MIN_AGE_MS = 24 * 3_600_000;

/** @throws RecorderError "invalid_parameter" when that is too young, or no checkpoint covers it */
export async function pruneLog({ path, keyPath, origin, store, policy, room, before, log, now }: PruneParts): Promise<Pruned> {
  if (now().getTime() - before.getTime() < MIN_AGE_MS) throw refuse('records of the last 24 hours are kept: give an earlier instant');
  const rotation = { bytes: Number.MAX_SAFE_INTEGER, age_ms: Number.MAX_SAFE_INTEGER };
  const { key, mirror, damaged, fork } = await openLog({ path, keyPath, origin, rotation, store, log, now });
  try {
    if (fork !== null || damaged.length > 0) throw refuse('the log is damaged: start the service, and see to what it reports first');
    const from = store.records.first();
    const to = lastBefore(path, store, mirror.first, before);
    if (to >= from) {
      mustBeCovered(path, store, key, to);
      const queue = createQueue({
        ...{ store, policy, now, room, onCommit: mirror.follow, onBroken: fail },
        ...{ monotonic: () => performance.now(), bell: createBell() },
      });
      store.spill();
      await queue.submit(pruneChange({ to, by: { name: 'cli', actor: 'operator:cli' } }));
      const synced = mirror.syncNow();
      if (!synced) throw new RecorderError('storage_failed', 'the log cannot be written; nothing of it was removed');
      await queue.submit((draft) => draft.meta.setSynced(synced));
      const checkpoints = createCheckpoints({
        ...{ logPath: path, key, interval_ms: 0, log, monotonic: () => 0, witness: () => null, treeAt: store.tree.at },
      });
      await checkpoints.publishLast(synced.seq);
    }
    return { records: to >= from ? { from, to } : null, files: removeUpTo(path, store.records.first() - 1) };
  } finally {
    mirror.close();
  }
}

/** The last record of the newest file of which every record is older than an instant; 0 when there is none. */
function lastBefore(path: string, { records }: Store, newest: number, before: Date): number {
  const ends = oldSegmentsOf(path).map((_, i, all) => (all[i + 1]?.first ?? newest) - 1);
  return ends.findLast((last) => (headOf(records.line(last) ?? '')?.ts ?? '~') < before.toISOString()) ?? 0;
}

/** By a checkpoint that was published, and that somebody else may hold. */
function mustBeCovered(path: string, { tree }: Store, key: SigningKey, to: number): void {
  const published = readCheckpoint(checkpointPath(path));
  if (!published || !isOurs(published, key) || published.size < to || rootOf(tree.at(published.size)) !== published.root)
    throw refuse(`no checkpoint of ours covers record ${to}: start the service, and it publishes one within a second`);
}

/** Also what a pruning that was cut short has left. */
function removeUpTo(path: string, to: number): string[] {
  const gone = oldSegmentsOf(path).filter(({ first }) => first <= to);
  for (const segment of gone) rmSync(segment.path, { force: true });
  if (gone.length > 0) syncFolder(dirname(path));
  return gone.map((segment) => segment.path);
}

/** A failed fsync of the store: what was done is seen at the next start. */
function fail(error: unknown): never {
  throw error;
}

function refuse(message: string): RecorderError {
  return new RecorderError('invalid_parameter', message);
}
