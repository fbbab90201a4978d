// The one SQLite file: opened for durability, locked to one process, brought to the newest tables.

import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import { RecorderError } from '../errors.ts';
import { MIGRATIONS } from './migrations.ts';
import { steady } from './steady.ts';

export type Db = Database.Database;

/** synchronous=FULL, as SQLite numbers it: a commit is on disk when it returns. */
const FULL = 2;

/**
 * @throws RecorderError "storage_failed" when another recorder holds the store
 * @throws Error when the file is no database of ours, or cannot be made durable
 */
export function openDatabase(path: string): Db {
  closeSync(openSync(path, 'a', 0o600));
  const db = new Database(path);
  const { prepare } = db;
  db.prepare = ((sql: string) => prepare.call(db, steady(sql))) as typeof prepare;
  try {
    db.pragma('journal_mode = WAL');
    // After the WAL pragma: better-sqlite3 is built with a WAL default of NORMAL, under which a power loss loses commits.
    db.pragma('synchronous = FULL');
    db.pragma('temp_store = MEMORY');
    // The kernel caches the rest: 12 MB less than the library's default, at no cost that could be measured.
    db.pragma('cache_size = -4096');
    db.pragma('journal_size_limit = 16777216');
    migrate(db);
    mustBeFull(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function migrate(db: Db): void {
  const done = db.pragma('user_version', { simple: true }) as number;
  if (done > MIGRATIONS.length) {
    throw new RecorderError(
      'invalid_configuration',
      `the store is of a newer version (${done}) than this program knows (${MIGRATIONS.length})`,
    );
  }
  db.exec('BEGIN IMMEDIATE');
  for (const migration of MIGRATIONS.slice(done)) db.exec(migration);
  db.pragma(`user_version = ${MIGRATIONS.length}`);
  db.exec('COMMIT');
}

/** SQLite settles `synchronous` of a WAL database at its first write; only what reads FULL after one is to be trusted. */
function mustBeFull(db: Db): void {
  db.pragma('synchronous = FULL');
  db.exec(`BEGIN IMMEDIATE; INSERT INTO meta VALUES ('opened', '1') ON CONFLICT DO UPDATE SET value = value + 1; COMMIT`);
  const mode = db.pragma('synchronous', { simple: true });
  if (mode !== FULL) throw new Error(`SQLite runs at synchronous=${String(mode)}, not FULL: commits would not survive a power loss`);
}

/**
 * Holds `<path>.lock` for this process, until it ends however it ends (an fcntl lock dies with its process).
 * @throws RecorderError "storage_failed" when another process holds it
 */
export function lockStore(path: string): Disposable {
  closeSync(openSync(`${path}.lock`, 'a', 0o600));
  const lock = new Database(`${path}.lock`, { timeout: 0 });
  try {
    lock.pragma('journal_mode = MEMORY');
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock.close();
    if ((error as { code?: string }).code !== 'SQLITE_BUSY') throw error;
    throw new RecorderError('storage_failed', `${path} is in use by another recorder`);
  }
  return { [Symbol.dispose]: () => lock.close() };
}
