// What must hold of a recorder's store and log whatever has happened to it, and of what it had answered before.

import { readFileSync, readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { openFolder } from './folder.ts';
import type { Answer } from './load.ts';
import { verifyLog } from './verify-log.mjs';

/** Where a recorder keeps what it knows. */
export interface Kept {
  readonly database: string;
  /** Its newest file; older ones stand beside it. */
  readonly log: string;
}

export function keptIn({ dir, auditPath }: { dir: string; auditPath: string }): Kept {
  return { database: join(dir, 'incidents.db'), log: auditPath };
}

/** Everything that is wrong, each in a sentence; empty when nothing is. Of the answers only those with 2xx promise anything. */
export function faultsOf(kept: Kept, answered: Iterable<Answer>): string[] {
  const { integrity, tallied, incidents, ids, lines } = read(kept.database);
  const log = readLog(kept.log);
  using folder = openFolder();
  const { fault, torn, records } = verifyLog(folder.file('log', log));
  // What only tampering can do to a store, a log or a key; a recorder that finds it heals what it can, and would hide a loss from us.
  const tampering = lines.flatMap((line) => /^\{"v":1,"seq":\d+,"ts":"[^"]+","type":"(log\.recovered|key\.changed)"/.exec(line)?.[1] ?? []);
  const reported = lines.filter((line) => line.includes('"type":"incident.reported"')).length;
  const claims: [boolean, string][] = [
    [integrity === 'ok', `integrity_check says ${integrity}`],
    [tallied === incidents, `${incidents} incidents are counted as ${tallied}`],
    [reported === incidents, `${incidents} incidents have ${reported} records`],
    [tampering.length === 0, `it took a fault for tampering: ${tampering.join()}`],
    [fault === null && !torn, `the log is ${fault ?? 'torn'} after ${records} records`],
    [log === lines.map((line) => `${line}\n`).join(''), `the log of ${records} records is no copy of the ${lines.length} in the store`],
  ];
  const faults = claims.filter(([holds]) => !holds).map(([, words]) => words);
  for (const { status, body } of answered) {
    if (status < 200 || status > 299) continue;
    const line = lines[body.audit.seq - 1];
    if (!ids.has(body.id)) faults.push(`${body.id} was answered and is not in the store`);
    if (!line?.startsWith(`{"v":1,"seq":${body.audit.seq},`) || !line.endsWith(`,"hash":"${body.audit.hash}"}`))
      faults.push(`record ${body.audit.seq} was answered and is not in the store`);
  }
  return faults;
}

/** All files of the log, one after the other. */
function readLog(newest: string): string {
  const stem = basename(newest, '.jsonl');
  const older = readdirSync(dirname(newest)).filter((name) => name.startsWith(`${stem}-`) && /-\d{12}\.jsonl$/.test(name));
  return [...older.toSorted().map((name) => join(dirname(newest), name)), newest].map((file) => readFileSync(file, 'utf8')).join('');
}

function read(path: string): { integrity: string; tallied: number; incidents: number; ids: Set<string>; lines: string[] } {
  const db = new Database(path, { readonly: true });
  try {
    const one = (sql: string) => db.prepare(sql).pluck().get();
    return {
      integrity: String(one('PRAGMA integrity_check')),
      tallied: Number(one('SELECT sum(n) FROM tallies') ?? 0),
      incidents: Number(one('SELECT count(*) FROM incidents')),
      ids: new Set(db.prepare<[], string>('SELECT id FROM incidents').pluck().all()),
      lines: db.prepare<[], string>('SELECT line FROM records ORDER BY seq').pluck().all(),
    };
  } finally {
    db.close();
  }
}
