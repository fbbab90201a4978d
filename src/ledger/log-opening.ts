// Opens the log beside the store: its key, what the store is short of by what was signed, its files, and the name it goes on under.

import type { SigningKey } from '../audit/key.ts';
import type { Log } from '../log.ts';
import type { Found } from '../store/meta.ts';
import type { Store } from '../store/store.ts';
import { type Mirror, type MirrorParts, openMirror } from './mirror.ts';
import { newInstance } from '../recorder/opening.ts';
import type { Recovery } from '../recorder/opening.ts';
import { recoverStore } from './recovery.ts';
import { openSigningKey, originOf } from './signing-key.ts';
import type { Damage } from '../audit/segments.ts';

interface LogParts {
  path: string;
  keyPath: string;
  /** As it is configured. */
  origin: string;
  rotation: MirrorParts['rotation'];
  store: Store;
  log: Log;
  now: () => Date;
}

export interface OpenedLog {
  readonly key: SigningKey;
  readonly mirror: Mirror;
  readonly recovery: Recovery;
  readonly damaged: readonly Damage[];
  /** The first record of the newest file. */
  readonly begins: number;
  /** The instance as which the log goes on from here; null when it is the one it was. */
  readonly fork: string | null;
}

export async function openLog({ path, keyPath, origin, rotation, store, log, now }: LogParts): Promise<OpenedLog> {
  const keyOf = (name: string) => openSigningKey(keyPath, name);
  const before = originOf(origin, store.meta.verifierKey());
  const recovery = await recoverStore({ path, store, key: keyOf(before), isFork: before !== origin, log });
  // What an earlier start found, and ended before it could tell of it.
  const { damaged: untold, restored } = store.meta.found();
  const mirror = openMirror({
    ...{ path, records: store.records, synced: store.meta.synced(), untold, rotation, log, now },
    onDamage: (found) => remember(store, { damaged: found, restored }),
  });
  const damaged = mirror.takeDamage();
  for (const damage of damaged)
    log.critical('a file of the audit log was damaged; it is kept aside, and written anew from the store', { ...damage });
  const fork = recovery.lost !== null || damaged.some(({ beyond }) => beyond) ? newInstance() : null;
  if (fork !== null)
    log.critical('the store is not the one that the log was last kept with; the log goes on as another', { instance: fork });
  // What was signed under the old name stays true evidence of what it was signed over.
  const key = keyOf(fork === null ? originOf(origin, store.meta.verifierKey()) : `${origin}/${fork.slice(0, 8)}`);
  return { key, mirror, recovery: { ...recovery, restored }, damaged, begins: mirror.first, fork };
}

/** A disk that takes nothing more must not keep the service from starting. */
function remember(store: Store, found: Found): void {
  try {
    store.meta.setFound(found);
  } catch {
    // It is told of by this start, unless that ends before it can.
  }
}
