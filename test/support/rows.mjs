// Writes a row a commit, and says so after each, as a service that answers: node test/support/rows.mjs FILE full|normal

import { writeSync } from 'node:fs';
import Database from 'better-sqlite3';

const db = new Database(process.argv[2]);
db.pragma('journal_mode = WAL');
db.exec('CREATE TABLE IF NOT EXISTS rows (n INTEGER PRIMARY KEY, text TEXT)');
db.pragma(`synchronous = ${process.argv[3]}`);
const insert = db.prepare('INSERT INTO rows VALUES (?, ?)');
for (let n = 1; ; n += 1) {
  insert.run(n, 'x'.repeat(500));
  writeSync(1, `${n}\n`);
}
