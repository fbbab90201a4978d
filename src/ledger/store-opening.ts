// Opens the store. One that cannot be read is kept aside as it is, so that the log can make another: to refuse would be an off switch.

import { existsSync, renameSync, rmSync } from 'node:fs';
import { keepAside } from '../audit/segments.ts';
import type { Log } from '../log.ts';
import { isUnreadable } from '../store/failure.ts';
import type { Reserve } from '../store/reserve.ts';
import { type Store, openStore } from '../store/store.ts';

interface StoreParts {
  path: string;
  reserve: Reserve;
  log: Log;
  now: () => Date;
}

/**
 * What was kept aside is told of with what the log's opening finds.
 * @throws RecorderError "storage_failed", "storage_full", "invalid_configuration"; what the system says when the file cannot be opened
 */
export function openStoreAnyhow({ path, reserve, log, now }: StoreParts): Store {
  try {
    return openWhole(path, reserve);
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    const file = keepAside(path, now());
    if (existsSync(`${path}-wal`)) renameSync(`${path}-wal`, `${file}-wal`);
    rmSync(`${path}-shm`, { force: true });
    const reason = `the database cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    log.critical('the store is damaged; it is kept aside, and made again out of the log as far as that was signed', { file, reason });
    const store = openWhole(path, reserve);
    store.meta.setFound({ damaged: [{ file, reason, beyond: false }], restored: null });
    return store;
  }
}

/** With a head and a tree, which all that follows builds on. */
function openWhole(path: string, reserve: Reserve): Store {
  const store = openStore(path, reserve);
  try {
    store.tree.at(store.records.head().seq);
    return store;
  } catch (error) {
    store.close();
    throw error;
  }
}
