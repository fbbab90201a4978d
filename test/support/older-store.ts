// A store and its log as a recorder of version 4 of the tables left them.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { MIGRATIONS } from '../../src/store/migrations.ts';

/** Before there were commands. */
const VERSION = 4;

/** @param fixture a file of test/fixtures/stores */
export function writeOlderStore(path: string, fixture: string): Database.Database {
  const db = new Database(path);
  for (const migration of MIGRATIONS.slice(0, VERSION)) db.exec(migration);
  db.exec(readFileSync(join(import.meta.dirname, '../fixtures/stores', `${fixture}.sql`), 'utf8'));
  db.pragma(`user_version = ${VERSION}`);
  return db;
}

/** Both of them, in a folder, under the names that an installed service gives them. */
export function writeOlderInstallation(dir: string, fixture: string): void {
  const db = writeOlderStore(join(dir, 'incidents.db'), fixture);
  const lines = db.prepare<[], string>('SELECT line FROM records ORDER BY seq').pluck().all();
  db.close();
  writeFileSync(join(dir, 'incident-recorder-audit.jsonl'), lines.map((line) => `${line}\n`).join(''));
}
