// A store in the making: it is filled fast, and is neither durable nor anybody's until it is finished.

import { closeSync, fsyncSync, openSync } from 'node:fs';
import { openDatabase } from './database.ts';
import { type Retelling, createRetelling } from './retelling.ts';
import { type Tables, type Transaction, createTables, createTransaction } from './store.ts';

export interface Building extends Tables, Disposable {
  readonly transaction: Transaction;
  retelling(): Retelling;
  /** Makes it durable and closes it: what stands at `path` then is one whole file. */
  finish(): void;
}

/** @param path where no database is yet; no other process may know of it */
export function openBuilding(path: string): Building {
  const db = openDatabase(path);
  db.pragma('synchronous = OFF');
  db.pragma('cache_size = -16384');
  // What waits to be told of may be much.
  db.pragma('temp_store = FILE');
  const tables = createTables(db);
  return {
    ...tables,
    transaction: createTransaction(db, tables),
    retelling: () => createRetelling(db),
    finish() {
      db.close();
      const fd = openSync(path, 'r');
      fsyncSync(fd);
      closeSync(fd);
    },
    [Symbol.dispose]: () => void db.close(),
  };
}
