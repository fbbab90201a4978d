// The cellar, whole: the tables, and the transaction that a batch of changes is written in.

import { RecorderError } from '../errors.ts';
import { type Db, lockStore, openDatabase } from './database.ts';
import { isFull } from './failure.ts';
import { type Approvals, createApprovals } from './approvals.ts';
import { type Commands, createCommands } from './commands.ts';
import { type Holds, createHolds } from './holds.ts';
import { type Incidents, createIncidents } from './incidents.ts';
import { type Meta, createMeta } from './meta.ts';
import { type Pages, createPages } from './page.ts';
import { type Pruning, createPruning } from './pruning.ts';
import { type Records, createRecords } from './records.ts';
import { type Requests, createRequests } from './requests.ts';
import type { Reserve } from './reserve.ts';
import { type Retelling, createRetelling } from './retelling.ts';
import { type Settling, createSettling } from './settling.ts';
import { type Sightings, createSightings } from './sightings.ts';
import { type Statistics, createStatistics } from './statistics.ts';
import { type TreeTable, createTree } from './tree.ts';

/** What a change may read and write. */
export interface Tables {
  readonly incidents: Incidents;
  readonly holds: Holds;
  readonly commands: Commands;
  readonly approvals: Approvals;
  readonly settling: Settling;
  readonly records: Records;
  readonly requests: Requests;
  readonly sightings: Sightings;
  readonly meta: Meta;
  readonly tree: TreeTable;
  readonly pruning: Pruning;
}

/** The transaction of a batch, step by step; the queue is its only caller. */
export interface Transaction {
  begin(): void;
  /** One change begins; it can be taken back without the others. */
  savepoint(): void;
  release(): void;
  takeBack(): void;
  /** Durable when it returns. */
  commit(): void;
  rollback(): void;
  /** False when SQLite has thrown the whole transaction away by itself (full disk, I/O error). */
  isOpen(): boolean;
}

export interface Store extends Tables {
  readonly pages: Pages;
  readonly statistics: Statistics;
  readonly transaction: Transaction;
  /** For telling records of the log again. */
  retelling(): Retelling;
  /** From now on what SQLite needs to take a change back lies on disk: for a change that is larger than memory. Not within one. */
  spill(): void;
  /** Bytes of the database that hold something. */
  usedBytes(): number;
  close(): void;
}

/**
 * On a full disk the reserve is given up, as far as opening takes it.
 * @throws RecorderError "storage_failed" when another recorder has it open, "storage_full" when there is no room even so; any error of
 * SQLite when it cannot be opened
 */
export function openStore(path: string, reserve: Pick<Reserve, 'giveUp'> | null = null): Store {
  using scope = new DisposableStack();
  const lock = scope.use(lockStore(path));
  const db = withRoom(path, reserve, () => openDatabase(path));
  scope.defer(() => db.close());
  const tables = createTables(db);
  const store = {
    ...tables,
    retelling: () => createRetelling(db),
    pages: createPages(db),
    statistics: createStatistics(db),
    transaction: createTransaction(db, tables),
    spill: () => void db.pragma('temp_store = FILE'),
    usedBytes: usedBytes(db),
    close() {
      db.close();
      lock[Symbol.dispose]();
    },
  };
  const { seq } = store.records.head();
  withRoom(path, reserve, () => db.transaction(() => store.tree.complete(seq))());
  scope.move();
  return store;
}

export function createTables(db: Db): Tables {
  return {
    incidents: createIncidents(db),
    holds: createHolds(db),
    commands: createCommands(db),
    approvals: createApprovals(db),
    settling: createSettling(db),
    records: createRecords(db),
    requests: createRequests(db),
    sightings: createSightings(db),
    meta: createMeta(db),
    tree: createTree(db),
    pruning: createPruning(db),
  };
}

function withRoom<T>(path: string, reserve: Pick<Reserve, 'giveUp'> | null, open: () => T): T {
  for (;;) {
    try {
      return open();
    } catch (error) {
      if (!isFull(error)) throw error;
      if (!reserve?.giveUp()) throw new RecorderError('storage_full', `the disk of ${path} is full: there is no room to open the store`);
    }
  }
}

/** @param remembering tables that remember, within a transaction, what they have read */
export function createTransaction(db: Db, { holds, settling }: Pick<Tables, 'holds' | 'settling'>): Transaction {
  const run = (sql: string) => {
    const statement = db.prepare(sql);
    return () => void statement.run();
  };
  const forgetting = (step: () => void) => () => {
    holds.forget();
    settling.forget();
    step();
  };
  return {
    begin: forgetting(run('BEGIN IMMEDIATE')),
    savepoint: run('SAVEPOINT change'),
    release: run('RELEASE change'),
    takeBack: forgetting(() => void db.exec('ROLLBACK TO change; RELEASE change')),
    commit: run('COMMIT'),
    rollback: forgetting(run('ROLLBACK')),
    isOpen: () => db.inTransaction,
  };
}

function usedBytes(db: Db): () => number {
  const pageSize = db.pragma('page_size', { simple: true }) as number;
  const pages = db.prepare<[], number>('SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count').pluck();
  return () => (pages.get() ?? 0) * pageSize;
}
