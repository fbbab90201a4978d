// Holds as rows: what is wanted now, and who owns it.

import type { Target, TargetType } from '../incident/actions.ts';
import type { Hold, HoldStatus } from '../incident/hold.ts';
import type { Db } from './database.ts';

export interface HoldRow {
  seq: number;
  id: string;
  action: string;
  target_type: TargetType;
  target_id: string;
  status: HoldStatus;
  rule: string;
  source: string;
  created_at: string;
}

export interface Holds {
  /** The live hold of an action on a target; there is never more than one. */
  live(action: string, target: Target): Hold | null;
  /** Live holds that a rule has for a source, counted no further than `upTo`. */
  count(rule: string, source: string, upTo: number): number;
  insert(hold: Hold): void;
  /** Live holds that an incident owns. */
  ownedBy(incident: number): Hold[];
  /** Ends what an incident owns; `ended` is the seq of the last record of that end. */
  disown(incident: number, ended: number): void;
  /** Whether another incident than this one owns it. */
  hasOtherOwner(hold: number, incident: number): boolean;
  release(hold: number, at: string): void;
}

export function createHolds(db: Db): Holds {
  const live = db.prepare<[string, string, string], HoldRow>(
    'SELECT * FROM holds WHERE live = 1 AND action = ? AND target_type = ? AND target_id = ?',
  );
  const count = db
    .prepare<[string, string, number], number>(
      'SELECT count(*) FROM (SELECT 1 FROM holds WHERE live = 1 AND rule = ? AND source = ? LIMIT ?)',
    )
    .pluck();
  const insert = db.prepare(`INSERT INTO holds (seq, id, action, target_type, target_id, status, live, rule, source, created_at)
    VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?, ?)`);
  const ownedBy = db.prepare<[number], HoldRow>(
    'SELECT h.* FROM incident_actions a JOIN holds h ON h.seq = a.hold WHERE a.incident = ? AND a.ended = 0 AND h.live = 1 ORDER BY a.n',
  );
  const disown = db.prepare<[number, number]>(
    'UPDATE incident_actions SET ended = ? WHERE incident = ? AND hold IS NOT NULL AND ended = 0',
  );
  const owner = db
    .prepare<[number, number], number>('SELECT 1 FROM incident_actions WHERE hold = ? AND ended = 0 AND incident <> ? LIMIT 1')
    .pluck();
  const release = db.prepare<[string, number]>(`UPDATE holds SET live = 0, status = 'released', released_at = ? WHERE seq = ?`);
  return {
    live(action, { type, id }) {
      const row = live.get(action, type, id);
      return row ? holdOf(row) : null;
    },
    count: (rule, source, upTo) => count.get(rule, source, upTo) ?? 0,
    insert: ({ seq, id, action, target, status, rule, source, created_at }) =>
      void insert.run(seq, id, action, target.type, target.id, status, rule, source, created_at),
    ownedBy: (incident) => ownedBy.all(incident).map(holdOf),
    disown: (incident, ended) => void disown.run(ended, incident),
    hasOtherOwner: (hold, incident) => owner.get(hold, incident) !== undefined,
    release: (hold, at) => void release.run(at, hold),
  };
}

export function holdOf({ target_type, target_id, ...hold }: HoldRow): Hold {
  return { ...hold, target: { type: target_type, id: target_id } };
}
