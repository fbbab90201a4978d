// Two stores held against each other: one that is another's copy does not differ, and whatever is changed in it is named.
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMPARED, compareStores, openComparison } from '../../src/store/compare.ts';
import { type Life, deeds, openLife } from '../support/life.ts';

let life: Life;
let copies = 0;
beforeAll(async () => {
  life = await openLife();
  await life.live(fc.sample(deeds(), { seed: 3, numRuns: 3 }).flat());
  await life.path.adopt(`version: 1
rules: {prompt_injection: {auto_contain: true, actions: [freeze_agent, {action: block_ip, target: evidence.ip, approve: confidence < 1}]}}
actuators: {agent: {actions: [freeze_agent], pull: true}}
`);
  await life.path.report({ confidence: 0, evidence: { ip: '198.51.100.7' } });
});
afterAll(() => life[Symbol.dispose]());

/** A copy of the store in which something was changed. */
function changed(sql: string): string {
  const path = join(life.path.dir, `copy-${(copies += 1)}.db`);
  life.path.db.pragma('wal_checkpoint(TRUNCATE)');
  copyFileSync(life.database, path);
  const db = new Database(path);
  db.exec(sql);
  db.close();
  return path;
}

describe('a store and its copy', () => {
  it('do not differ, and looking at them changes neither', () => {
    const copy = changed('');
    expect(compareStores(life.database, copy)).toEqual([]);
    expect(compareStores(copy, life.database)).toEqual([]);
  });

  it('are compared in every table there is, and have something in each', () => {
    const { db } = life.path;
    const tables = db.prepare<[], string>(`SELECT name FROM sqlite_master WHERE type = 'table'`).pluck().all();
    // What has to be looked at again is told by no record: it is empty when nothing is under way.
    expect([...COMPARED, 'unsettled'].toSorted()).toEqual(tables.toSorted());
    expect(tables.filter((table) => db.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() === undefined)).toEqual(['unsettled']);
  });

  it('may differ in what is about their machine only', () => {
    expect(
      compareStores(life.database, changed(`UPDATE meta SET value = '9:9:9' WHERE key = 'synced'; UPDATE requests SET n = n + 1000`)),
    ).toEqual([]);
    expect(
      compareStores(life.database, changed(`UPDATE holds SET free_at = 1; UPDATE commands SET free_at = 1, late_at = 1, held = 1`)),
    ).toEqual([]);
    expect(compareStores(life.database, changed(`INSERT INTO tallies VALUES ('gone', 'low', 'open', 0)`))).toEqual([]);
  });
});

/** In what a store may differ from its copy: the order of requests, and what guards holds and commands within one run. */
const OF_THE_MACHINE = new Set([...['requests.n', 'holds.free_at', 'commands.held', 'commands.free_at', 'commands.late_at']]);

describe('what was changed is named', () => {
  const columns = (table: string) =>
    life.path.db
      .prepare<[string], { name: string; pk: number; type: string }>('SELECT name, pk, type FROM pragma_table_info(?)')
      .all(table);

  it('in every column of every table', () => {
    for (const table of COMPARED) {
      for (const { name, pk, type } of columns(table)) {
        if (pk > 0 || OF_THE_MACHINE.has(`${table}.${name}`)) continue;
        const value = type === 'INTEGER' ? `coalesce(${name}, 0) + 1` : type === 'BLOB' ? `x'00'` : `coalesce(${name}, '') || '!'`;
        const where = table === 'meta' ? `key = 'verifier_key'` : 'true';
        const row = `rowid = (SELECT max(rowid) FROM ${table})`;
        const one = ['incident_actions', 'tallies', 'sightings', 'policies', 'request_counts', 'tree', 'meta'].includes(table)
          ? where
          : row;
        const differences = compareStores(
          life.database,
          changed(`PRAGMA ignore_check_constraints = 1; UPDATE ${table} SET ${name} = ${value} WHERE ${one}`),
        );
        const named = differences.some((difference) => difference.table === table && [name, null].includes(difference.field));
        expect(named, `${table}.${name}`).toBe(true);
      }
    }
  });

  it('where a row is missing, or is one too many', () => {
    for (const table of COMPARED) {
      const copy = changed(`DELETE FROM ${table}`);
      expect(compareStores(life.database, copy)).toContainEqual(expect.objectContaining({ table, field: null, a: 'present', b: null }));
      expect(compareStores(copy, life.database)).toContainEqual(expect.objectContaining({ table, field: null, a: null, b: 'present' }));
    }
  });

  it('by its row and field, with both values from shortly before where they part, and no more than was asked for', () => {
    const long = 'x'.repeat(500);
    const [a, b] = [changed(`UPDATE incidents SET description = '${long}a'`), changed(`UPDATE incidents SET description = '${long}b'`)];
    const [difference, ...more] = compareStores(a, b, 3);
    expect(difference).toMatchObject({ table: 'incidents', key: expect.stringMatching(/^seq \d+$/), field: 'description' });
    expect([difference?.a, difference?.b]).toEqual([`${'x'.repeat(20)}a`, `${'x'.repeat(20)}b`]);
    expect(more).toHaveLength(2);
  });

  it('as it is when it is asked, whatever is written meanwhile', async () => {
    const copy = changed('');
    using comparison = openComparison(life.database);
    await life.path.report();
    expect(comparison.with(copy, 1)).toEqual([]);
    expect(compareStores(life.database, copy, 1)).not.toEqual([]);
  });
});

describe('what cannot be compared', () => {
  it('is a store that is not there, and one of another version', () => {
    expect(() => compareStores(join(life.path.dir, 'none.db'), life.database)).toThrow(expect.objectContaining({ code: 'not_found' }));
    expect(() => compareStores(life.database, changed('PRAGMA user_version = 2'))).toThrow(
      expect.objectContaining({ code: 'invalid_configuration' }),
    );
  });
});
