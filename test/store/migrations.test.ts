// A store of an earlier version: after its tables were changed it is what its own log tells, and goes on from there.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Kept } from '../../src/incident/incident.ts';
import { readRecord } from '../../src/incident/recorded.ts';
import { retell } from '../../src/incident/retell.ts';
import { viewOf } from '../../src/incident/view.ts';
import { createLog } from '../../src/log.ts';
import { createReplay } from '../../src/recorder/replay.ts';
import { openBuilding } from '../../src/store/building.ts';
import { compareStores } from '../../src/store/compare.ts';
import { openDatabase } from '../../src/store/database.ts';
import { type Store, openStore } from '../../src/store/store.ts';
import { createClock } from '../support/house.ts';
import { writeOlderStore } from '../support/older-store.ts';
import { OPERATOR, openOn } from '../support/write-path.ts';

const ALL = Number.MAX_SAFE_INTEGER;

let dir: string;
let path: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'recorder-'));
  path = join(dir, 'incidents.db');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const leave = (fixture: string) => writeOlderStore(path, fixture);

const linesOf = (store: Pick<Store, 'records'>) => store.records.after(0, ALL, ALL).map(({ line }) => line);

const shown = (kept: Kept | null) => JSON.stringify(kept && [viewOf(kept.incident), kept.version]);

function toldAnew(lines: readonly string[]): string {
  const other = join(dir, 'told.db');
  using building = openBuilding(other);
  const replay = createReplay(building);
  building.transaction.begin();
  lines.forEach((line) => replay.take(line));
  expect(replay.finish()).toBe(0);
  building.transaction.commit();
  building.finish();
  return other;
}

describe.each(['4', '4-pruned'])('a store of version 4: %s', (fixture) => {
  it('becomes what its log tells, field for field', () => {
    leave(fixture).close();
    openDatabase(path).close();
    const store = openStore(path);
    const lines = linesOf(store);
    store.close();
    expect(compareStores(path, toldAnew(lines))).toEqual([]);
  });

  it('has incidents that are what their timelines tell, at the version they had', () => {
    const old = leave(fixture);
    const before = old.prepare('SELECT seq, id, state, containment_status, version FROM incidents ORDER BY seq').all() as Row[];
    old.close();
    using scope = new DisposableStack();
    const store = openStore(path);
    scope.defer(() => store.close());
    expect(before.length).toBeGreaterThan(4);
    for (const { seq, id, state, containment_status } of before) {
      const kept = store.incidents.bySeq(seq);
      expect(kept?.incident).toMatchObject({ id, state, containment: { status: containment_status }, release: null });
      const told = store.records.timeline(seq, 0, ALL, ALL).map(({ line }) => readRecord(line));
      expect(shown(told.reduce<Kept | null>(retell, null))).toBe(shown(kept));
    }
  });

  it('goes on: its incidents are resolved, and its holds released, as any others', async () => {
    leave(fixture).close();
    const logged: string[] = [];
    const log = createLog({ level: 'debug', journal: false, write: (line) => logged.push(line) });
    const parts = openOn(path, { policy: POLICY, clock: createClock('2026-03-14T00:00:00.000Z'), log });
    using scope = new DisposableStack();
    scope.defer(() => parts.store.close());
    scope.defer(() => parts.due.close());
    await parts.due.reconcile();
    const asked = { note: null, resolution: null, caller: OPERATOR, ifMatch: null, mark: null };
    const left = parts.store.holds.list({ status: null, action: null, actuator: null }, ALL, 100);
    expect(left.map(({ action, status, actuator }) => [action, status, actuator])).toEqual([
      ...[
        ['quarantine_model', 'recorded', null],
        ['force_vault_relock', 'recorded', null],
      ],
      ...[
        ['disable_airlock', 'recorded', null],
        ['freeze_agent', 'recorded', null],
      ],
    ]);
    const freeze = left.find(({ action }) => action === 'freeze_agent')?.id ?? '';
    const { hold } = await parts.recorder.hold('apply', { ...asked, id: freeze, expires_at: null, ttl_ms: null });
    expect(hold).toMatchObject({ status: 'requested', actuator: 'agent' });
    const open = linesOf(parts.store)
      .map(readRecord)
      .filter(({ type }) => type === 'incident.reported' || type === 'incident.kept');
    for (const id of new Set(open.map((record) => String(record.id)))) {
      if (parts.store.incidents.byId(id)?.incident.state !== 'resolved') await parts.recorder.step('resolve', { ...asked, id });
    }
    expect(parts.store.holds.list({ status: null, action: null, actuator: null }, ALL, 100)).toMatchObject([
      { id: freeze, status: 'releasing' },
    ]);
    const lines = linesOf(parts.store);
    expect(compareStores(path, toldAnew(lines))).toEqual([]);
  });
});

interface Row {
  seq: number;
  id: string;
  state: string;
  containment_status: string;
}

const POLICY = 'version: 1\nrules: {}\nactuators: {agent: {actions: [freeze_agent], pull: true}}\n';

describe('the holds of a store of version 4', () => {
  it('have the incident that they were opened for, the last record about them, and how they ended', () => {
    const old = leave('4');
    const rows = old.prepare('SELECT seq, id, live, released_at FROM holds ORDER BY seq').all() as { seq: number; live: number }[];
    const released = old
      .prepare(`SELECT about, max(seq) AS seq FROM records WHERE line LIKE '%"type":"hold.released"%' GROUP BY about`)
      .all();
    old.close();
    using scope = new DisposableStack();
    const db = scope.adopt(openDatabase(path), (open) => open.close());
    const holds = db.prepare('SELECT * FROM holds ORDER BY seq').all() as Record<string, unknown>[];
    expect(holds).toHaveLength(rows.length);
    expect(holds.map(({ live }) => live)).toEqual([1, 1, 0, 1, 1]);
    for (const hold of holds) {
      const line = db.prepare<[unknown], string>('SELECT line FROM records WHERE seq = ?').pluck().get(hold['seq']) ?? '';
      const last = (released as { about: number; seq: number }[]).find(({ about }) => about === hold['seq']);
      expect(hold).toMatchObject({
        ...{ incident_id: (JSON.parse(line) as { data: { incident_id: string } }).data.incident_id, version: last?.seq ?? hold['seq'] },
        ...{ params: '{}', actuator: null, attempts: 0, error: null, completed_at: null, expires_at: null, free_at: null },
        ending: hold['live'] === 1 ? null : 'released',
        status: hold['live'] === 1 ? 'recorded' : 'released',
      });
    }
  });

  it('are released to whoever owned them: an action that had ended says so', () => {
    const old = leave('4');
    const ended = old.prepare<[], number>('SELECT count(*) FROM incident_actions WHERE ended <> 0').pluck().get();
    expect(ended).toBe(4);
    old.close();
    using scope = new DisposableStack();
    const db = scope.adopt(openDatabase(path), (open) => open.close());
    const count = (where: string) => db.prepare<[], number>(`SELECT count(*) FROM incident_actions WHERE ${where}`).pluck().get();
    expect([count(`ended <> 0 AND status <> 'released'`), count(`ended = 0 AND status = 'released'`)]).toEqual([0, 0]);
    expect(count(`hold IS NULL AND status IN ('verified', 'failed')`)).toBe(2);
  });
});
