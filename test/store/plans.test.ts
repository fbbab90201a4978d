// Every query of the store is asked how SQLite would run it: through an index, never over a whole table that grows.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { Filter } from '../../src/incident/filter.ts';
import { type Db, openDatabase } from '../../src/store/database.ts';
import { createApprovals } from '../../src/store/approvals.ts';
import { createCommands } from '../../src/store/commands.ts';
import { createHolds } from '../../src/store/holds.ts';
import { createIncidents } from '../../src/store/incidents.ts';
import { createMeta } from '../../src/store/meta.ts';
import { createPages } from '../../src/store/page.ts';
import { createRecords } from '../../src/store/records.ts';
import { createRequests } from '../../src/store/requests.ts';
import { createSettling } from '../../src/store/settling.ts';
import { createSightings } from '../../src/store/sightings.ts';
import { createStatistics } from '../../src/store/statistics.ts';

const dir = mkdtempSync(join(tmpdir(), 'recorder-'));
const db = openDatabase(join(dir, 'incidents.db'));
afterAll(() => {
  db.close();
  rmSync(dir, { recursive: true, force: true });
});

/** The real database, which notes what is prepared on it. */
const prepared = new Set<string>();
const noting: Db = new Proxy(db, {
  get(target, name) {
    const member: unknown = Reflect.get(target, name);
    if (typeof member !== 'function') return member;
    return (...args: unknown[]) => {
      if (name === 'prepare') prepared.add(String(args[0]).replaceAll(/\s+/g, ' ').trim());
      return member.apply(target, args);
    };
  },
});
for (const create of [
  ...[createHolds, createCommands, createApprovals, createSettling, createIncidents, createMeta, createRecords, createRequests],
  ...[createSightings, createStatistics],
])
  create(noting);
const ANY: Filter = { class: null, state: null, severity: null, source: null, since: null, until: null, q: null, reported_by: null };
const pages = createPages(noting);
pages.list(ANY, null, 10);
pages.list({ ...ANY, class: ['a'], source: ['b'], q: 'c', reported_by: 'd', since: '2026', until: '2027' }, null, 10);

/** All but those that only add a row. */
const queries = [...prepared].filter((sql) => !sql.startsWith('INSERT') || sql.includes('SELECT'));

function planOf(sql: string): string[] {
  const named = [...sql.matchAll(/:(\w+)/g)].map(([, name]) => [name, 0]);
  const values = named.length > 0 ? [Object.fromEntries(named)] : Array.from(sql.matchAll(/\?/g), () => 0);
  const steps = db.prepare<unknown[], { detail: string }>(`EXPLAIN QUERY PLAN ${sql}`).all(...values);
  return steps.map(({ detail }) => detail);
}

/** Walks over a table that are meant: the counters, of which there are few, and tables that are read from one end up to a LIMIT. */
const MEANT: Record<string, RegExp> = {
  tallies: /FROM tallies WHERE n > 0$/,
  records: /^SELECT line FROM records ORDER BY seq DESC LIMIT 1$/,
  requests: /FROM requests ORDER BY n LIMIT 4\)/,
  unsettled: /ORDER BY incident LIMIT \?$/,
};
/** Indexes that hold only the few rows which are asked for: walking them is meant too. */
const FEW = new Set(['holds_live', 'holds_failing', 'commands_overdue', 'commands_held', 'commands_late', 'holds_end']);

describe('the queries of the store', () => {
  it('are all here', () => {
    expect(queries.length).toBeGreaterThan(70);
  });

  it.each(queries)('walk no table that grows: %s', (sql) => {
    const tables = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).pluck().all() as string[];
    const named = new Map([...sql.matchAll(/(?:FROM|JOIN) (\w+) (?:AS )?([a-z])(?= )/g)].map(([, table, alias]) => [alias, table]));
    const walked = planOf(sql).flatMap((step) => {
      const [, name = '', index = ''] = /^SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?/.exec(step) ?? [];
      return FEW.has(index) ? [] : (named.get(name) ?? name);
    });
    expect(walked.filter((table) => tables.includes(table) && !MEANT[table]?.test(sql))).toEqual([]);
  });

  it.each([
    [
      'a page of the list',
      /^SELECT seq FROM \(SELECT \* FROM incidents/,
      'USING INDEX incidents_worst (state=? AND rank=? AND seq>? AND seq<?)',
    ],
    [
      'how far a page has looked',
      /^SELECT min\(seq\) AS lowest/,
      'USING COVERING INDEX incidents_worst (state=? AND rank=? AND seq>? AND seq<?)',
    ],
    ['an incident by its id', /^SELECT \* FROM incidents WHERE id/, 'USING INDEX sqlite_autoindex_incidents_1 (id=?)'],
    ['the incident that a report joins', /WHERE problem = \?/, 'USING INDEX incidents_problem (problem=?)'],
    ['a timeline', /UNION/, 'USING COVERING INDEX records_about (about=? AND seq>?)'],
    [
      'the live hold on a target',
      /^SELECT \* FROM holds WHERE live = 1 AND action = \?/,
      'USING INDEX holds_live (action=? AND target_type=? AND target_id=?)',
    ],
    ['the holds of a rule and source', /rule = \? AND source = \?/, 'USING COVERING INDEX holds_limit (rule=? AND source=?)'],
    ['another owner of a hold', /incident <> \?/, 'USING COVERING INDEX hold_owners (hold=?)'],
    ['the incidents that a hold has moved', /^INSERT INTO unsettled .* WHERE hold = \?/, 'USING COVERING INDEX hold_owners (hold=?)'],
    [
      'what was held before',
      /^SELECT count\(\*\) AS count, max\(seq\)/,
      'USING COVERING INDEX holds_past (action=? AND target_type=? AND target_id=?)',
    ],
    ['holds that end by themselves', /free_at <= \? AND expires_at/, 'USING INDEX holds_end (free_at<?)'],
    ['holds that nobody is told of', /^SELECT iif/, 'INDEX holds_unmet (seq>?)'],
    ['what an actuator should have in force', /NOT IN \('awaiting_approval'/, 'USING INDEX holds_actuator (actuator=? AND seq>?)'],
    ['what is to be delivered', /c\.held = 0 AND c\.actuator = \?/, 'USING INDEX commands_open (actuator=? AND seq>?)'],
    ['the commands of a hold', /WHERE c\.hold = \?/, 'USING INDEX commands_hold (hold=?)'],
    ['commands that may be sent by now', /c\.free_at <= \?/, 'USING INDEX commands_held (free_at<?)'],
    ['commands without an end in time', /c\.late_at <= \?/, 'USING INDEX commands_late (late_at<?)'],
    ['approvals that are overdue', /escalated = 0 AND expires_at/, 'USING INDEX approvals_pending (expires_at<?)'],
    ['the approvals of an incident', /WHERE incident = \? AND status/, 'USING INDEX approvals_incident (incident=?)'],
    ['a request that was done', /^SELECT body_sha256/, 'USING INDEX requests_key (token=? AND key_sha256=?)'],
    ['the oldest request of a token', /^DELETE FROM requests WHERE n = /, 'USING COVERING INDEX requests_oldest (token=?)'],
  ])('find %s by its index, and in its order', (_, which, index) => {
    const asked = queries.filter((sql) => which.test(sql));
    expect(asked.length).toBeGreaterThan(0);
    for (const sql of asked) {
      const plan = planOf(sql);
      expect(
        plan.some((step) => step.startsWith('SEARCH') && step.includes(index)),
        plan.join('\n'),
      ).toBe(true);
    }
  });

  it('of the list and of the incident that a report joins sort nothing', () => {
    const sorted = queries.filter((sql) => planOf(sql).some((step) => step.includes('TEMP B-TREE')));
    expect(sorted.filter((sql) => !sql.includes('UNION'))).toEqual([]);
  });
});
