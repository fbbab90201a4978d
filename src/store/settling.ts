// Incidents of which a hold has moved: what they are called has to be looked at again.

import type { Db } from './database.ts';

export interface Settling {
  /** All incidents that own a hold. */
  mark(hold: number): void;
  /** All incidents that are not resolved and have holds: what counts as contained has changed. */
  markAll(): void;
  /** Some of those that are marked. */
  next(limit: number): number[];
  settled(incident: number): void;
  /** What was read is true no more: a transaction begins, or is taken back. */
  forget(): void;
}

export function createSettling(db: Db): Settling {
  const mark = db.prepare<[number]>(
    'INSERT INTO unsettled SELECT DISTINCT incident FROM incident_actions WHERE hold = ? AND ended = 0 ON CONFLICT DO NOTHING',
  );
  const markAll = db.prepare(
    // CROSS: from the live holds to their owners, however many incidents there are.
    `INSERT INTO unsettled SELECT a.incident FROM holds h INDEXED BY holds_live CROSS JOIN incident_actions a ON a.hold = h.seq
     WHERE h.live = 1 AND a.ended = 0 ON CONFLICT DO NOTHING`,
  );
  const next = db.prepare<[number], number>('SELECT incident FROM unsettled ORDER BY incident LIMIT ?').pluck();
  const settled = db.prepare<[number]>('DELETE FROM unsettled WHERE incident = ?');
  /** Nothing is marked, as nearly always. */
  let isEmpty = false;
  return {
    mark(hold) {
      isEmpty = false;
      mark.run(hold);
    },
    markAll() {
      isEmpty = false;
      markAll.run();
    },
    next(limit) {
      if (isEmpty) return [];
      const found = next.all(limit);
      isEmpty = found.length === 0;
      return found;
    },
    settled: (incident) => void settled.run(incident),
    forget: () => void (isEmpty = false),
  };
}
