// Two stores held against each other, row by row and field by field, in all that the log tells.

import { existsSync } from 'node:fs';
import Database from 'better-sqlite3';
import { RecorderError } from '../errors.ts';
import type { Db } from './database.ts';
import { type Records, createRecords } from './records.ts';

/** A row that only one of them has, or a field that they have otherwise. */
export interface Difference {
  readonly table: string;
  /** The row, such as `seq 7`. */
  readonly key: string;
  /** Null when one of them lacks the row. */
  readonly field: string | null;
  /** What the first has there, from where they part; `present` of a whole row; null when it has nothing. */
  readonly a: string | null;
  readonly b: string | null;
}

export interface Comparison extends Disposable {
  /** Of the store itself, as it is now, whatever is written to it meanwhile. */
  readonly records: Pick<Records, 'after'>;
  /** At most `limit` differences of each kind and table. @throws RecorderError "invalid_configuration" when the other is of another version */
  with(other: string, limit: number): Difference[];
}

interface Compared {
  readonly key: readonly string[];
  /** Columns that need not agree. */
  readonly but?: readonly string[];
  /** Rows `x` that must agree, and rows that must be in both; all that it does not rule out. */
  readonly where?: string;
  readonly inBoth?: string;
}

const TABLES: Record<string, Compared> = {
  records: { key: ['seq'] },
  incidents: { key: ['seq'] },
  evidence: { key: ['incident'] },
  incident_actions: { key: ['incident', 'n'] },
  // What guards a hold or a command against the clock is of one run of the service.
  holds: { key: ['seq'], but: ['free_at'] },
  commands: { key: ['seq'], but: ['held', 'free_at', 'late_at'] },
  approvals: { key: ['seq'] },
  policies: { key: ['sha256'] },
  sightings: { key: ['class', 'source'] },
  requests: { key: ['token', 'key_sha256'], but: ['n'] },
  // A counter that has come down to 0 says no more than one that is not there.
  request_counts: { key: ['token'], inBoth: 'x.n > 0' },
  tallies: { key: ['class', 'severity', 'state'], inBoth: 'x.n > 0' },
  // Of a tree over records that were pruned, a store that was made afterwards has the largest subtrees only.
  tree: { key: ['level', 'n'], inBoth: 'x.n << x.level >= :pruned' },
  // The rest of it is about this machine.
  meta: { key: ['key'], where: `x.key = 'verifier_key'` },
};
export const COMPARED: readonly string[] = Object.keys(TABLES);

/** Characters of a value that are shown. */
const SHOWN = 80;

/** What two stores have otherwise; at most `limit` differences of each kind and table. @throws as openComparison */
export function compareStores(a: string, b: string, limit = 20): Difference[] {
  using comparison = openComparison(a);
  return comparison.with(b, limit);
}

/** Looks at a store that may be in use, and writes nothing. @throws RecorderError "not_found" when there is none */
export function openComparison(path: string): Comparison {
  if (!existsSync(path)) throw new RecorderError('not_found', `${path}: there is no such database`);
  const db = new Database(path, { readonly: true });
  db.exec('BEGIN; SELECT 1 FROM records LIMIT 1');
  return {
    records: createRecords(db),
    with(other, limit) {
      db.prepare('ATTACH ? AS other').run(other);
      const [mine, its] = ['main', 'other'].map((name) => db.pragma(`${name}.user_version`, { simple: true }) as number);
      if (mine !== its) throw new RecorderError('invalid_configuration', `the stores are of two versions: ${mine} and ${its}`);
      return Object.entries(TABLES).flatMap(([table, compared]) => differencesOf(db, table, compared, limit));
    },
    [Symbol.dispose]: () => void db.close(),
  };
}

type Value = string | number | Buffer | null;
type Row = Record<string, Value>;

function differencesOf(db: Db, table: string, { key, but = [], where = 'true', inBoth = 'true' }: Compared, limit: number): Difference[] {
  const columns = db.prepare<[string], string>('SELECT name FROM pragma_table_info(?)').pluck().all(table);
  const fields = columns.filter((column) => !key.includes(column) && !but.includes(column));
  const same = key.map((column) => `x.${column} = y.${column}`).join(' AND ');
  const keys = key.map((column) => `x.${column} AS "${column}"`).join(', ');
  const nameOf = (row: Row) => key.map((column) => `${column} ${String(row[column])}`).join(', ');

  const lacking = (has: string, lacks: string) =>
    db
      .prepare<[object], Row>(
        `SELECT ${keys} FROM ${has}.${table} x WHERE ${where} AND ${inBoth}
         AND NOT EXISTS (SELECT 1 FROM ${lacks}.${table} y WHERE ${same}) LIMIT :limit`,
      )
      .all({ limit, pruned: prunedIn(db) })
      .map((row) => ({ table, key: nameOf(row), field: null }));
  const other = db
    .prepare<[object], Row>(
      `SELECT ${[keys, ...fields.flatMap((field) => [`x.${field} AS "a.${field}"`, `y.${field} AS "b.${field}"`])].join(', ')}
       FROM main.${table} x JOIN other.${table} y ON ${same}
       WHERE ${where} AND (${['false', ...fields.map((field) => `x.${field} IS NOT y.${field}`)].join(' OR ')}) LIMIT :limit`,
    )
    .all({ limit });

  return [
    ...lacking('main', 'other').map((row) => ({ ...row, a: 'present', b: null })),
    ...lacking('other', 'main').map((row) => ({ ...row, a: null, b: 'present' })),
    ...other.flatMap((row) =>
      fields.flatMap((field) => {
        const [a, b] = [textOf(row[`a.${field}`]), textOf(row[`b.${field}`])];
        return a === b ? [] : [{ table, key: nameOf(row), field, ...parting(a, b) }];
      }),
    ),
  ];
}

/** How many records have gone from the beginning of either store. */
function prunedIn(db: Db): number {
  const first = (name: string) => db.prepare<[], number>(`SELECT coalesce(min(seq), 1) FROM ${name}.records`).pluck().get() ?? 1;
  return Math.max(first('main'), first('other')) - 1;
}

function textOf(value: Value = null): string | null {
  if (value === null) return null;
  return Buffer.isBuffer(value) ? value.toString('hex') : String(value);
}

/** Both values from shortly before where they part, and no more of them than is shown. */
function parting(a: string | null, b: string | null): { a: string | null; b: string | null } {
  if (a === null || b === null) return { a: a && a.slice(0, SHOWN), b: b && b.slice(0, SHOWN) };
  let at = 0;
  while (at < a.length && a[at] === b[at]) at += 1;
  const from = Math.max(0, at - SHOWN / 4);
  return { a: a.slice(from, from + SHOWN), b: b.slice(from, from + SHOWN) };
}
