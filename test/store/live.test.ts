// What is remembered of live holds within a transaction is never older than the last change of one.

import Database from 'better-sqlite3';
import { expect, it } from 'vitest';
import type { Hold } from '../../src/incident/hold.ts';
import { MIGRATIONS } from '../../src/store/migrations.ts';
import { createTables, createTransaction } from '../../src/store/store.ts';

const TARGET = { type: 'agent', id: '*' } as const;
const HOLD: Hold = {
  ...{ seq: 1, id: 'HLD-000000000001', action: 'freeze_agent', target: TARGET, params: {}, rule: 'a', source: 'b', incident_id: 'c' },
  ...{ status: 'recorded', actuator: null, attempts: 0, error: null, completed_at: null, created_at: 'now', expires_at: null },
  ...{ ending: null, released_at: null, version: 1 },
};

function open() {
  const db = new Database(':memory:');
  for (const migration of MIGRATIONS) db.exec(migration);
  const tables = createTables(db);
  return { db, holds: tables.holds, settling: tables.settling, transaction: createTransaction(db, tables) };
}

it('is looked up once, and again after each change', () => {
  const { holds, transaction } = open();
  const live = () => holds.live('freeze_agent', TARGET);
  transaction.begin();
  expect(live()).toBeNull();
  holds.insert(HOLD);
  expect(live()).toEqual(HOLD);
  expect(live()).toBe(live());
  holds.move(1, { ...HOLD, status: 'requested', actuator: 'd' }, 2);
  expect(live()).toEqual({ ...HOLD, status: 'requested', actuator: 'd', version: 2 });
  holds.touch(1, 3);
  holds.extend(1, 'later', 4);
  expect(live()).toMatchObject({ version: 4, expires_at: 'later' });
  holds.beginEnd(1, 'released', 5);
  expect(live()).toBeNull();
  holds.insert({ ...HOLD, seq: 2, id: 'HLD-000000000002' });
  expect(live()?.seq).toBe(2);
  holds.end(2, { at: 'then', ending: 'expired', status: 'expired', error: null, version: 6 });
  expect(live()).toBeNull();
  transaction.commit();
});

it('is forgotten with what was taken back, and when a transaction begins', () => {
  const { db, holds, settling, transaction } = open();
  const live = () => holds.live('freeze_agent', TARGET)?.seq ?? null;
  transaction.begin();
  transaction.savepoint();
  holds.insert(HOLD);
  expect([live(), settling.next(1)]).toEqual([1, []]);
  transaction.takeBack();
  expect(live()).toBeNull();
  holds.insert(HOLD);
  expect(live()).toBe(1);
  transaction.rollback();
  expect(live()).toBeNull();
  db.exec('INSERT INTO unsettled VALUES (7)');
  transaction.begin();
  expect(settling.next(1)).toEqual([7]);
  transaction.rollback();
});
