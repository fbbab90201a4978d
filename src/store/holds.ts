// Holds as rows: what is wanted now, how far it has come, and who owns it.

import type { Target } from '../incident/actions.ts';
import type { Hold, HoldStatus, Progress } from '../incident/hold.ts';
import type { Db } from './database.ts';
import { type HoldRow, INSERT_HOLD, holdOf, valuesOf } from './hold-row.ts';
import { createLive } from './live.ts';
import { type Standing, createStanding } from './standing.ts';

export interface Holds extends Standing {
  byId(id: string): Hold | null;
  bySeq(seq: number): Hold | null;
  /** The live hold of an action on a target; there is never more than one. */
  live(action: string, target: Target): Hold | null;
  /** The last hold that there was of an action on a target, by its seq, and how many there were, counted no further than `upTo`. */
  past(action: string, target: Target, upTo: number): { count: number; last: number | null };
  /** Live holds that a rule has for a source, counted no further than `upTo`. */
  count(rule: string, source: string, upTo: number): number;
  insert(hold: Hold): void;
  /** Writes how far it has come; `version` is the seq of the record that tells it. */
  move(hold: number, progress: Progress, version: number): void;
  /** The last record about it, where that changes nothing else. */
  touch(hold: number, version: number): void;
  extend(hold: number, expires_at: string | null, version: number): void;
  /** It is wanted no more, and its actuator is being told. */
  beginEnd(hold: number, ending: 'released' | 'expired', version: number): void;
  /** It has ended. All that still own it own it no more: their action is `status` from then on. */
  end(hold: number, of: { at: string; ending: 'released' | 'expired'; status: HoldStatus; error: string | null; version: number }): void;
  /** Live holds that an incident owns. */
  ownedBy(incident: number): Hold[];
  /** An incident owns these holds no more; `ended` is the seq of the record that tells of it. */
  disown(incident: number, ended: number, holds: readonly number[]): void;
  /** Whether an incident owns it that is not resolved. */
  hasOwner(hold: number): boolean;
  /** Whether another incident than this one owns it. */
  hasOtherOwner(hold: number, incident: number): boolean;
  /** Ids of incidents that own it and have a release gate. */
  gatedOwners(hold: number): string[];
  /** Seqs of the incidents that own it. */
  owningIncidents(hold: number): number[];
  /**
   * Of the next `examined` live holds behind `after` that are asked for or have drifted, oldest first: those without a command that is still
   * to have an end, and the seq of the last that was looked at; null at the end.
   */
  unmet(after: number, examined: number): { holds: Hold[]; last: number | null };
  /** How many incidents own it, and the ids of the first `limit`. */
  owners(hold: number, limit: number): { count: number; ids: string[] };
  /**
   * Live holds whose time is over by the wall clock and by the monotonic one too, the earliest first: a clock that is set forward frees
   * nobody.
   */
  due(now: string, monotonic: number, limit: number): Hold[];
  /** When a hold may end by itself, in monotonic milliseconds of this run. */
  guard(hold: number, free_at: number): void;
  /** A new run: its monotonic clock goes on from what the wall clock shows. */
  rebase(now: string, monotonic: number): void;
  /** Holds that have not ended, behind `after`, oldest first. */
  standing(after: number, limit: number): Hold[];
  /** What was read is true no more: a transaction begins, or is taken back. */
  forget(): void;
}

/** How far a hold has come is frozen in the action of an incident that does not own it any more. */
export const FREEZE = `actuator = (SELECT actuator FROM holds WHERE seq = hold), attempts = (SELECT attempts FROM holds WHERE seq = hold),
  completed_at = (SELECT completed_at FROM holds WHERE seq = hold)`;

export function createHolds(db: Db): Holds {
  const all = (where: string) => `SELECT * FROM holds WHERE ${where}`;
  const byId = db.prepare<[string], HoldRow>(all('id = ?'));
  const bySeq = db.prepare<[number], HoldRow>(all('seq = ?'));
  const live = createLive(db);
  const write = <T extends unknown[]>(sql: string) => {
    const statement = db.prepare(sql);
    return (...values: T) => {
      live.forget();
      statement.run(...values);
    };
  };
  const past = db.prepare<[string, string, string, number], { count: number; last: number | null }>(
    `SELECT count(*) AS count, max(seq) AS last FROM
     (SELECT seq FROM holds WHERE action = ? AND target_type = ? AND target_id = ? ORDER BY seq DESC LIMIT ?)`,
  );
  const count = db
    .prepare<[string, string, number], number>(
      'SELECT count(*) FROM (SELECT 1 FROM holds WHERE live = 1 AND rule = ? AND source = ? LIMIT ?)',
    )
    .pluck();
  const insert = write(INSERT_HOLD);
  const move = write('UPDATE holds SET status = ?, actuator = ?, attempts = ?, error = ?, completed_at = ?, version = ? WHERE seq = ?');
  const touch = write<[number, number]>('UPDATE holds SET version = ? WHERE seq = ?');
  const extend = write('UPDATE holds SET expires_at = ?, version = ? WHERE seq = ?');
  const beginEnd = write(`UPDATE holds SET live = 0, status = 'releasing', ending = ?, version = ? WHERE seq = ?`);
  const end = write(
    `UPDATE holds SET live = 0, status = :ending, ending = :ending, released_at = :at, error = :error, version = :version WHERE seq = :hold`,
  );
  const endOwners = db.prepare(
    `UPDATE incident_actions SET ended = :version, status = :status, error = :error, ${FREEZE} WHERE hold = :hold AND ended = 0`,
  );
  const ownedBy = db.prepare<[number], HoldRow>(
    'SELECT h.* FROM incident_actions a JOIN holds h ON h.seq = a.hold WHERE a.incident = ? AND a.ended = 0 AND h.live = 1 ORDER BY a.n',
  );
  const disown =
    db.prepare(`UPDATE incident_actions SET ended = ?, status = 'released', error = (SELECT error FROM holds WHERE seq = hold), ${FREEZE}
    WHERE incident = ? AND ended = 0 AND hold IN (SELECT value FROM json_each(?))`);
  const owner = db
    .prepare<[number, number], number>('SELECT 1 FROM incident_actions WHERE hold = ? AND ended = 0 AND incident <> ? LIMIT 1')
    .pluck();
  const gatedOwners = db
    .prepare<[number], string>(
      `SELECT i.id FROM incident_actions a JOIN incidents i ON i.seq = a.incident
       WHERE a.hold = ? AND a.ended = 0 AND i.details ->> '$.release' IS NOT NULL`,
    )
    .pluck();
  const owning = db.prepare<[number], number>('SELECT DISTINCT incident FROM incident_actions WHERE hold = ? AND ended = 0').pluck();
  const looked = `SELECT seq FROM holds WHERE live = 1 AND status IN ('requested', 'accepted', 'drifted') AND seq > ? ORDER BY seq LIMIT ?`;
  const last = db.prepare<[number, number, number], number | null>(`SELECT iif(count(*) < ?, NULL, max(seq)) FROM (${looked})`).pluck();
  const unmet = db.prepare<[number, number], HoldRow>(
    `SELECT h.* FROM (${looked}) l CROSS JOIN holds h ON h.seq = l.seq WHERE NOT EXISTS
     (SELECT 1 FROM commands c WHERE c.hold = h.seq AND (c.open = 1 OR c.status = 'accepted'))`,
  );
  const anyOwner = db
    .prepare<[number], number>(
      `SELECT 1 FROM incident_actions a JOIN incidents i ON i.seq = a.incident WHERE a.hold = ? AND a.ended = 0 AND i.state <> 'resolved' LIMIT 1`,
    )
    .pluck();
  const countOwners = db.prepare<[number], number>('SELECT count(*) FROM incident_actions WHERE hold = ? AND ended = 0').pluck();
  const firstOwners = db
    .prepare<[number, number], string>(
      'SELECT i.id FROM incident_actions a JOIN incidents i ON i.seq = a.incident WHERE a.hold = ? AND a.ended = 0 ORDER BY a.incident LIMIT ?',
    )
    .pluck();
  const due = db.prepare<[number, string, number], HoldRow>(
    all('live = 1 AND expires_at IS NOT NULL AND free_at <= ? AND expires_at <= ? ORDER BY free_at LIMIT ?'),
  );
  const guard = write<[number, number]>('UPDATE holds SET free_at = ? WHERE seq = ?');
  const rebase = write<[number, string]>(
    `UPDATE holds INDEXED BY holds_end SET free_at = ? + (unixepoch(expires_at, 'subsec') - unixepoch(?, 'subsec')) * 1000 WHERE live = 1 AND expires_at IS NOT NULL`,
  );
  const standing = db.prepare<[number, number], HoldRow>(all('released_at IS NULL AND seq > ? ORDER BY seq LIMIT ?'));
  const one = (row: HoldRow | undefined) => (row ? holdOf(row) : null);
  return {
    ...createStanding(db),
    byId: (id) => one(byId.get(id)),
    bySeq: (seq) => one(bySeq.get(seq)),
    live: live.of,
    forget: live.forget,
    past: (action, { type, id }, upTo) => past.get(action, type, id, upTo) ?? { count: 0, last: null },
    count: (rule, source, upTo) => count.get(rule, source, upTo) ?? 0,
    insert: (hold) => insert(...valuesOf(hold)),
    move: (hold, { status, actuator, attempts, error, completed_at }, version) =>
      move(status, actuator, attempts, error, completed_at, version, hold),
    touch: (hold, version) => touch(version, hold),
    extend: (hold, expires_at, version) => extend(expires_at, version, hold),
    beginEnd: (hold, ending, version) => beginEnd(ending, version, hold),
    end(hold, { at, ending, status, error, version }) {
      end({ hold, at, ending, error, version });
      endOwners.run({ hold, status, error, version });
    },
    ownedBy: (incident) => ownedBy.all(incident).map(holdOf),
    disown: (incident, ended, holds) => void disown.run(ended, incident, JSON.stringify(holds)),
    hasOtherOwner: (hold, incident) => owner.get(hold, incident) !== undefined,
    hasOwner: (hold) => anyOwner.get(hold) !== undefined,
    gatedOwners: (hold) => gatedOwners.all(hold),
    owningIncidents: (hold) => owning.all(hold),
    unmet: (after, examined) => ({ holds: unmet.all(after, examined).map(holdOf), last: last.get(examined, after, examined) ?? null }),
    owners: (hold, limit) => ({ count: countOwners.get(hold) ?? 0, ids: firstOwners.all(hold, limit) }),
    due: (now, monotonic, limit) => due.all(monotonic, now, limit).map(holdOf),
    guard: (hold, free_at) => guard(free_at, hold),
    rebase: (now, monotonic) => rebase(monotonic, now),
    standing: (after, limit) => standing.all(after, limit).map(holdOf),
  };
}
