// Publishes what the log stands at: a signed checkpoint over what is durable in both places, to a file, to the journal, to whoever asks.

import { readFileSync } from 'node:fs';
import { open, rename } from 'node:fs/promises';
import { type Checkpoint, checkpointIn, checkpointText } from '../audit/checkpoint.ts';
import type { SigningKey } from '../audit/key.ts';
import { type Range, rootOf } from '../audit/merkle.ts';
import { ED25519, isSignedBy, signNote, verifierKeyOf } from '../audit/note.ts';
import { checkpointPath } from '../audit/segments.ts';
import type { Log } from '../log.ts';
import type { SignedCheckpoint, Witness } from './witness.ts';

export interface Checkpoints {
  /**
   * Signs the tree over the first `size` records (null: as many as last time), unless that was done, or the last one is too young.
   * Never rejects. These records MUST be durable in the store and in the log file.
   */
  publish(size: number | null): Promise<void>;
  /** As `publish`, however young the last one is: for the end. */
  publishLast(size: number | null): Promise<void>;
  /** The newest that is published; null before the first. */
  readonly latest: SignedCheckpoint | null;
  /** The newest that a witness has cosigned; null when there is no witness, or none yet. */
  readonly cosigned: SignedCheckpoint | null;
  /** `unpublished`: it cannot be written to its file, so it is not shown elsewhere either. */
  readonly health: 'ok' | 'unpublished';
  /** As a follower of the witness: its cosignature has come. */
  keepCosigned(note: string, size: number): void;
}

export interface CheckpointsParts {
  /** Of the log; the checkpoint is published beside it. */
  logPath: string;
  key: SigningKey;
  treeAt: (size: number) => Range;
  /** Between two of them. */
  interval_ms: number;
  monotonic: () => number;
  log: Log;
  witness: () => Witness | null;
}

/** Where the newest one that a witness has cosigned is kept. */
function cosignedPath(logPath: string): string {
  return `${logPath}.cosigned`;
}

export function createCheckpoints({ logPath, key, treeAt, interval_ms, monotonic, log, witness }: CheckpointsParts): Checkpoints {
  let latest = publishedAt(checkpointPath(logPath), key.name);
  let cosigned = publishedAt(cosignedPath(logPath), key.name);
  let reached: number | null = null;
  let failing = false;
  let last = -Infinity;
  let underWay: Promise<void> = Promise.resolve();

  async function publishNow(size: number): Promise<void> {
    const root = rootOf(treeAt(size));
    const note = signNote(checkpointText({ origin: key.name, size, root }), key);
    await replaceFile(checkpointPath(logPath), note);
    latest = { note, size };
    log.info('checkpoint', { size, root, note });
    witness()?.offer(latest);
  }

  /** Never rejects; what failed is told once, and tried again with the next. */
  async function attempt(what: () => Promise<void>): Promise<void> {
    try {
      await what();
      if (failing) log.warning('checkpoints are published again', { path: checkpointPath(logPath) });
      failing = false;
    } catch (error) {
      if (!failing) log.error('a checkpoint cannot be published', { path: checkpointPath(logPath), error: String(error) });
      failing = true;
    }
  }

  /** One after the other. */
  async function publishReached(): Promise<void> {
    await (underWay = underWay.then(async () => {
      if (reached === null || reached === latest?.size) return;
      const size = reached;
      last = monotonic();
      await attempt(async () => publishNow(size));
    }));
  }

  return {
    async publish(size) {
      reached = size ?? reached;
      if (monotonic() - last >= interval_ms) await publishReached();
    },
    async publishLast(size) {
      reached = size ?? reached;
      await publishReached();
    },
    keepCosigned(note, size) {
      cosigned = { note, size };
      if (latest?.size === size) latest = cosigned;
      void attempt(async () => replaceFile(cosignedPath(logPath), note));
    },
    get latest() {
      return latest;
    },
    get cosigned() {
      return cosigned;
    },
    get health() {
      return failing ? 'unpublished' : 'ok';
    },
  };
}

/** A checkpoint of this log that was published before; null when there is none, or it is of another log. Its signature is not checked. */
function publishedAt(path: string, origin: string): SignedCheckpoint | null {
  const published = readCheckpoint(path);
  return published?.origin === origin ? { note: published.note, size: published.size } : null;
}

/** What stands in a file as a checkpoint; null when that is none. */
export function readCheckpoint(path: string): (Checkpoint & { note: string }) | null {
  try {
    const note = readFileSync(path, 'utf8');
    return { ...checkpointIn(note), note };
  } catch {
    return null;
  }
}

/** Whether this key has signed it, under whatever name the log went then. */
export function isOurs({ origin, note }: Checkpoint & { note: string }, { publicKey }: SigningKey): boolean {
  return isSignedBy(note, verifierKeyOf(origin, publicKey, ED25519));
}

/** Whole or not at all, also through a power loss. */
async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.new`;
  const file = await open(temporary, 'w', 0o644);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}
