// Holds as they are asked for by others: lists for operators, and what an actuator should have in force.

import type { Hold, HoldStatus } from '../incident/hold.ts';
import type { Db } from './database.ts';
import { type HoldRow, holdOf } from './hold-row.ts';
import { MAX_EXAMINED, type Reach, createReach } from './reach.ts';

interface HoldFilter {
  /** Null = all that have not ended. */
  readonly status: readonly HoldStatus[] | null;
  readonly action: readonly string[] | null;
  readonly actuator: readonly string[] | null;
}

export interface Standing {
  /** Newest first, before `before`; no further than `reach`. */
  list(filter: HoldFilter, before: number, limit: number): Hold[];
  reach: Reach;
  /** What an actuator should have in force, behind `after`, oldest first: all that it was or is asked to do and nobody has let go. */
  desired(actuator: string, after: number, limit: number): Hold[];
  /** Whether some hold that is wanted has failed, or has drifted. */
  isFailing(): boolean;
}

export function createStanding(db: Db): Standing {
  const some = db.prepare<
    [object],
    HoldRow
  >(`SELECT * FROM (SELECT * FROM holds WHERE seq < :before ORDER BY seq DESC LIMIT ${MAX_EXAMINED})
    WHERE CASE WHEN :status IS NULL THEN released_at IS NULL ELSE status IN (SELECT value FROM json_each(:status)) END
    AND (:action IS NULL OR action IN (SELECT value FROM json_each(:action)))
    AND (:actuator IS NULL OR actuator IN (SELECT value FROM json_each(:actuator))) LIMIT :limit`);
  const desired = db.prepare<[string, number, number], HoldRow>(
    `SELECT * FROM holds WHERE actuator = ? AND released_at IS NULL AND live = 1 AND status NOT IN ('awaiting_approval', 'recorded')
     AND seq > ? ORDER BY seq LIMIT ?`,
  );
  const failing = db.prepare<[], number>(`SELECT 1 FROM holds WHERE live = 1 AND status IN ('failed', 'drifted') LIMIT 1`).pluck();
  const words = (these: readonly string[] | null) => these && JSON.stringify(these);
  return {
    list: ({ status, action, actuator }, before, limit) =>
      some.all({ before, limit, status: words(status), action: words(action), actuator: words(actuator) }).map(holdOf),
    reach: createReach(db, 'holds'),
    desired: (actuator, after, limit) => desired.all(actuator, after, limit).map(holdOf),
    isFailing: () => failing.get() !== undefined,
  };
}
