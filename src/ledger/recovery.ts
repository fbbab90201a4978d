// The store beside its own last checkpoint, when the recorder starts: what it is short of is taken from the log.
//
// A crash cannot make it shorter than that, or another: this is an older copy that was put back, or a forgery. The log is taken from only
// if it gives the very root that was signed, and never beyond it.

import { segmentsIn } from '../audit/blocks.ts';
import type { SigningKey } from '../audit/key.ts';
import { createTrial } from '../audit/held.ts';
import { type Range, type Tree, append, rootOf } from '../audit/merkle.ts';
import { prevOf } from '../audit/record.ts';
import { checkpointPath, filesOf, oldSegmentsOf } from '../audit/segments.ts';
import { verifyLog } from '../audit/verify.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { isOurs, readCheckpoint } from './checkpoints.ts';
import type { Recovery } from '../recorder/opening.ts';
import { createReplay } from '../recorder/replay.ts';

interface SignedTree extends Tree {
  readonly note: string;
}

const BATCH = 1000;
const NOTHING: Recovery = { restored: null, lost: null };

export interface RecoveryParts {
  path: string;
  store: Store;
  key: SigningKey;
  /** Whether the log has gone on as another already: then only checkpoints of that one count. */
  isFork: boolean;
  log: Log;
}

export async function recoverStore({ path, store, key, isFork, log }: RecoveryParts): Promise<Recovery> {
  const signed = readCheckpoint(checkpointPath(path));
  if (!signed || (isFork && signed.origin !== key.name)) return NOTHING;
  if (!isOurs(signed, key)) {
    log.warning('the checkpoint beside the log is not signed by our key: it is passed over', { path: checkpointPath(path) });
    return NOTHING;
  }
  const { seq } = store.records.head();
  if (signed.size <= seq) {
    return rootOf(store.tree.at(signed.size)) === signed.root
      ? NOTHING
      : { restored: null, lost: `its first ${signed.size} records are not those of the checkpoint that was published` };
  }
  const short = `it holds ${seq} records; a checkpoint over ${signed.size} was published`;
  log.critical('the store is an older copy', { records: seq, published: signed.size });
  const reason = await faultBehind(path, store, signed);
  if (reason !== null) return { restored: null, lost: `${short}, and the log cannot give the rest: ${reason}` };
  await restore(path, store, signed.size);
  log.warning('the store has its missing records again, out of the log', { from: seq + 1, to: signed.size });
  return { restored: { from: seq + 1, to: signed.size }, lost: null };
}

/** The files of the log from the one on that holds the record after `seq`. */
function filesBehind(path: string, seq: number): string[] {
  const before = oldSegmentsOf(path).filter(({ first }) => first <= seq + 1);
  return filesOf(path).slice(Math.max(0, before.length - 1));
}

/** Why what the log holds behind the store is not what was signed, or null. Writes nothing. */
async function faultBehind(path: string, { records, tree }: Store, signed: SignedTree): Promise<string | null> {
  const head = records.head();
  if (head.seq === 0) return faultOfAll(path, signed.note);
  let range: Range = tree.at(head.seq);
  const faults: string[] = [];
  const verdict = await verifyLog(segmentsIn(filesBehind(path, head.seq)), {
    onRecord(seq, hash, line) {
      if (seq === head.seq + 1 && prevOf(line.toString('latin1')) !== head.hash)
        faults.push(`record ${seq} does not follow the store's last`);
      if (seq > head.seq && seq <= signed.size) range = range.end === seq - 1 ? append(range, hash) : range;
    },
  });
  if (faults[0] !== undefined) return faults[0];
  if (range.end < signed.size) {
    const { fault: broken } = verdict;
    return broken
      ? `record ${broken.seq}, at byte ${broken.offset} of ${broken.file}, ${broken.reason}`
      : `it ends before record ${range.end + 1}`;
  }
  return rootOf(range) === signed.root ? null : 'its records are not those of the checkpoint';
}

/** For a store that holds nothing, whose log may have been pruned: all of it is held against the checkpoint. */
async function faultOfAll(path: string, note: string): Promise<string | null> {
  const trial = createTrial({ receipts: [], checkpoints: [{ name: 'the checkpoint', note }], keys: [] });
  const { first, last } = await verifyLog(segmentsIn(filesOf(path)), { onRecord: trial.onRecord });
  return trial.findings(first, last).find(({ ok }) => !ok)?.text ?? null;
}

/** A crash within leaves a shorter store, which the next start finds and completes. */
async function restore(path: string, store: Store, to: number): Promise<void> {
  const { seq: from } = store.records.head();
  const { transaction } = store;
  const replay = createReplay(store);
  transaction.begin();
  try {
    const found = store.meta.found();
    store.meta.setFound({ ...found, restored: { from: found.restored?.from ?? from + 1, to } });
    await verifyLog(segmentsIn(filesBehind(path, from)), {
      onRecord(seq, _, line) {
        if (seq <= from || seq > to) return;
        replay.take(line.toString('utf8'));
        if (seq % BATCH > 0) return;
        transaction.commit();
        transaction.begin();
      },
    });
    replay.finish();
    transaction.commit();
  } catch (error) {
    if (transaction.isOpen()) transaction.rollback();
    throw error;
  }
}
