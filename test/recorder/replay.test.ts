// Records told again: onto an older copy of a store, out of a log that was cut short anywhere, and never where they make no sense.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { GENESIS, seal } from '../../src/audit/record.ts';
import { readRecord } from '../../src/incident/recorded.ts';
import { viewOf } from '../../src/incident/view.ts';
import { createReplay } from '../../src/recorder/replay.ts';
import { settleChange } from '../../src/recorder/settle.ts';
import { type Building, openBuilding } from '../../src/store/building.ts';
import { compareStores } from '../../src/store/compare.ts';
import { openStore } from '../../src/store/store.ts';
import { openFolder } from '../support/folder.ts';
import { type Life, deeds, openLife } from '../support/life.ts';
import { aPolicy, openOn, openWritePath } from '../support/write-path.ts';

/** Tells lines to a store that is not there yet. */
function tell(path: string, lines: readonly string[], more: (building: Building) => void = () => {}): number {
  using building = openBuilding(path);
  const replay = createReplay(building);
  building.transaction.begin();
  lines.forEach((line) => replay.take(line));
  const added = replay.finish();
  building.transaction.commit();
  more(building);
  building.finish();
  return added;
}

/** All incidents as the API shows them, but for when. */
function truthOf({ incidents }: Pick<Building, 'incidents'>, lines: readonly string[]): string {
  const ids = lines.map(readRecord).flatMap(({ type, id }) => (type === 'incident.reported' ? [String(id)] : []));
  const views = ids.map((id) => incidents.byId(id)).map((kept) => kept && viewOf(kept.incident));
  return JSON.stringify(views, (name, value: unknown) => (name.endsWith('_at') || name === 'binding' ? value !== null : value));
}

/** What no store may hold: a hold that nobody owns or can release, an action whose hold is not there, a word that is not true. */
function contradictionsIn(path: string): unknown[] {
  const db = new Database(path, { readonly: true });
  const found = [
    `SELECT id FROM holds h WHERE live = 1 AND NOT EXISTS (SELECT 1 FROM incident_actions WHERE hold = h.seq AND ended = 0)`,
    `SELECT * FROM incident_actions WHERE hold IS NULL AND completed_at IS NULL`,
    `SELECT * FROM incident_actions WHERE hold NOT IN (SELECT seq FROM holds)`,
    `SELECT id FROM incidents WHERE (state = 'open' AND contained_at IS NOT NULL) OR (state = 'contained' AND contained_at IS NULL)`,
    `SELECT id FROM holds h WHERE live = 1 AND actuator IS NOT NULL AND status IN ('requested', 'accepted') AND NOT EXISTS
     (SELECT 1 FROM commands WHERE hold = h.seq AND (open = 1 OR status = 'accepted'))`,
    `SELECT id FROM holds WHERE status = 'awaiting_approval' AND NOT EXISTS
     (SELECT 1 FROM approvals, json_each(proposals) p WHERE approvals.status = 'pending' AND p.value ->> '$.hold_id' = holds.id)`,
  ].flatMap((sql) => db.prepare(sql).all());
  db.close();
  return found;
}

/** The text of the policy that is in force at the end of these lines. */
function policyIn(lines: readonly string[]): string {
  const texts = new Map<string, string>();
  let last = '';
  for (const record of lines.map(readRecord)) {
    if (record.type !== 'policy.loaded') continue;
    last = record.data.sha256;
    if (record.data.text !== undefined) texts.set(last, record.data.text);
  }
  return texts.get(last) ?? '';
}

/** What a start does to a store under the policy of its log, until nothing is left to be done. Returns the truth then. */
async function started(path: string, life: Life, lines: readonly string[]): Promise<string> {
  const { clock, log } = life.path;
  // Commands that are overdue, and what ends by itself, are another matter: the clock stands.
  const parts = openOn(path, { policy: policyIn(lines), clock, log });
  await parts.due.reconcile();
  while (parts.store.settling.next(1).length > 0) await parts.queue.submit(settleChange);
  await parts.due.mend();
  const truth = truthOf(parts.store, lines);
  parts.due.close();
  parts.store.close();
  return truth;
}

/** Whether the first record of a change tells all of it: the rest follows from that. */
function isPromised(lines: readonly string[]): boolean {
  const [first, ...rest] = lines.map((line) => readRecord(line).type);
  const telling = ['incident.reported', 'incident.joined', 'incident.ordered', 'incident.resolved'];
  // Another incident's hold may be overtaken by a report.
  const others = first === 'incident.resolved' ? ['hold.moved'] : ['hold.moved', 'hold.released'];
  return telling.includes(first ?? '') && !rest.some((type) => others.includes(type));
}

describe('a log that was cut short anywhere', () => {
  it('gives whole changes: what was promised by the last of them is on record, or made good by the next start', async () => {
    let completed = 0;
    let same = 0;
    await fc.assert(
      fc.asyncProperty(deeds(25), async (all) => {
        using life = await openLife();
        const truths = new Map([[life.lines().length, truthOf(life.path.store, life.lines())]]);
        for (const each of all) {
          await life.live([each]);
          truths.set(life.lines().length, truthOf(life.path.store, life.lines()));
        }
        const lines = life.lines();
        const ends = [...truths.keys()];
        for (let end = ends[0] ?? 0; end <= lines.length; end += 1) {
          const path = join(life.path.dir, `cut-${end}.db`);
          let truth = '';
          const added = tell(path, lines.slice(0, end), (building) => {
            const head = building.records.after(0, 1e9, 1e9).map(({ line }) => line);
            truth = truthOf(building, head);
          });
          completed += Math.sign(added);
          const [last = 0, next = 0] = [ends.findLast((each) => each <= end), ends.find((each) => each >= end)];
          if (ends.includes(end)) expect([added, truth]).toEqual([0, truths.get(end)]);
          const healed = await started(path, life, lines.slice(0, end));
          expect(contradictionsIn(path)).toEqual([]);
          if (ends.includes(end) || !isPromised(lines.slice(last, next))) continue;
          // A start is told by several records, which stand for themselves; all else is there whole, or not at all.
          same += 1;
          expect([truths.get(last), truths.get(next)]).toContain(healed);
        }
      }),
      { numRuns: 15 },
    );
    expect([completed, same].every((times) => times > 20)).toBe(true);
  }, 120_000);

  it('keeps the report whose holds were lost with the end of the log, and later records follow', async () => {
    using path = openWritePath({ policy: aPolicy('auto_contain: true, actions: [freeze_agent, quarantine_model]') });
    const { incident } = await path.report({ evidence: { model_path: '/a:b' } });
    const [first = ''] = path.store.records.after(0, 1, 1).map(({ line }) => line);
    using folder = openFolder();
    const file = join(folder.path, 'cut.db');
    expect(tell(file, [first])).toBe(3);
    using scope = new DisposableStack();
    const store = openStore(file);
    scope.defer(() => store.close());
    const kept = store.incidents.byId(incident.id);
    expect(kept?.incident).toEqual(incident);
    expect(store.records.after(0, 9, 1e9).map(({ line }) => readRecord(line).type)).toEqual([
      ...['incident.reported', 'hold.recorded', 'hold.recorded', 'incident.contained'],
    ]);
    expect(store.holds.live('quarantine_model', { type: 'model', id: '/a:b' })?.id).toBe(incident.containment.actions[1]?.hold_id);
  });
});

describe('records that an older copy of a store lacks', () => {
  it('make it what it was', async () => {
    await fc.assert(
      fc.asyncProperty(deeds(30), deeds(30), async (before, after) => {
        using life = await openLife();
        await life.live(before);
        const copy = join(life.path.dir, 'copy.db');
        await life.path.db.backup(copy);
        await life.live(after);
        const store = openStore(copy);
        const replay = createReplay(store);
        store.transaction.begin();
        for (const line of life.lines().slice(replay.head.seq)) replay.take(line);
        expect(replay.finish()).toBe(0);
        store.transaction.commit();
        store.close();
        expect(compareStores(life.database, copy)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  }, 120_000);
});

describe('a record that makes no sense where it stands', () => {
  const ts = '2026-03-13T08:15:30.123Z';
  const about = (type: string, id: string | null, data: object) => seal(GENESIS, { ts, type, id, actor: 'a', data }).line;

  async function refusalOf(lines: (life: Life) => string[]): Promise<unknown> {
    using life = await openLife();
    const path = join(life.path.dir, 'new.db');
    try {
      return tell(path, lines(life));
    } catch (error) {
      return error;
    }
  }

  it.each<[string, string, string]>([
    ['of a kind that nobody knows', about('incident.forgotten', null, {}), 'it is of a kind that this version does not know'],
    [
      'about an incident that nobody has told of',
      about('incident.noted', 'INC-1', { note: 'n', request: null }),
      'it is about INC-1, of which no record before it tells',
    ],
    ['that lacks what its kind carries', about('incident.reported', 'INC-1', {}), ''],
    ['that is none', 'dear diary', 'it is no record of ours'],
  ])('is refused: one %s', async (_, line, reason) => {
    expect(await refusalOf(() => [line])).toMatchObject({
      code: 'storage_failed',
      message: expect.stringContaining(`record 1 of the log cannot be told again: ${reason}`),
    });
  });

  it('is refused: one after a gap, and one told twice', async () => {
    expect(await refusalOf((life) => life.lines().toSpliced(1, 1))).toMatchObject({ message: expect.stringContaining('it is record 3') });
    expect(await refusalOf((life) => [...life.lines().slice(0, 2), ...life.lines().slice(1, 2)])).toMatchObject({
      message: expect.stringContaining('record 3 of the log cannot be told again: it is record 2'),
    });
  });

  it('is refused when a log does not begin with record 1, and nothing in it tells of what came before', async () => {
    expect(await refusalOf((life) => life.lines().slice(2))).toMatchObject({ message: expect.stringContaining('record 2 of the log') });
  });
});
