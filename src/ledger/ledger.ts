// What follows the records out of the store: the files of the log, the checkpoints over them, a witness, and the look through it all.

import { type Range, consistencySpans, hashesOf } from '../audit/merkle.ts';
import type { SigningKey } from '../audit/key.ts';
import type { VerifierKey } from '../audit/note.ts';
import type { Log } from '../log.ts';
import type { Store } from '../store/store.ts';
import { type Checkpoints, createCheckpoints } from './checkpoints.ts';
import { type Inspection, startInspection } from './inspection.ts';
import type { Mirror } from './mirror.ts';
import type { Recorder } from '../recorder/recorder.ts';
import { type Witness, createWitness } from './witness.ts';

export interface Ledger {
  readonly checkpoints: Checkpoints;
  /** Makes what is new durable in the files, signs it, and ends a file that is full. To be called every second. */
  settle(): Promise<void>;
  /** The same for the last time. */
  settleLast(): Promise<void>;
  /** The worst of what can be said of the log; `verifying`: it is still looked through. */
  readonly health: Mirror['health'] | Checkpoints['health'] | Inspection['health'];
  readonly witness: 'none' | Witness['health'];
  close(): Promise<void>;
}

export interface LedgerParts {
  path: string;
  store: Pick<Store, 'records' | 'tree'>;
  mirror: Mirror;
  recorder: Pick<Recorder, 'remember' | 'endFile' | 'found' | 'foundForged'>;
  key: SigningKey;
  /** Over all that is committed. */
  tree: () => Range;
  /** Between two checkpoints. */
  interval_ms: number;
  witness: { readonly url: string; readonly key: VerifierKey | null } | null;
  log: Log;
  now: () => Date;
  monotonic: () => number;
}

export function createLedger({ path, store, mirror, recorder, key, tree, interval_ms, witness: known, ...rest }: LedgerParts): Ledger {
  const { log, now, monotonic } = rest;
  const checkpoints = createCheckpoints({
    ...{ logPath: path, key, interval_ms, log, monotonic, witness: () => witness },
    treeAt: (size) => (tree().end === size ? tree() : store.tree.at(size)),
  });
  const witness =
    known &&
    createWitness({
      ...{ ...known, log, monotonic, onCosigned: checkpoints.keepCosigned },
      proofOf: (from, to) => hashesOf(consistencySpans(from, to), store.tree.hashOf),
    });
  let inspection: Inspection | null = null;

  async function tell(): Promise<void> {
    for (const damage of mirror.takeDamage()) await recorder.found(damage);
  }

  return {
    checkpoints,
    async settle() {
      const synced = await mirror.sync();
      if (synced) {
        await recorder.remember(synced);
        inspection ??= startInspection({
          ...{ path, store, mirror, log, now, until: synced.seq },
          onDamage: recorder.found,
          onForgery: recorder.foundForged,
        });
      }
      await checkpoints.publish(synced?.seq ?? null);
      if (mirror.isFull()) await recorder.endFile();
      await tell();
    },
    async settleLast() {
      const synced = mirror.syncNow();
      if (synced) await recorder.remember(synced);
      await checkpoints.publishLast(synced?.seq ?? null);
    },
    get health() {
      if (mirror.health !== 'ok') return mirror.health;
      return checkpoints.health === 'ok' ? (inspection?.health ?? 'verifying') : checkpoints.health;
    },
    get witness() {
      return witness?.health ?? 'none';
    },
    async close() {
      await inspection?.stop();
      await witness?.close();
    },
  };
}
