// The live hold of an action on a target: looked up once, for as long as nothing can have changed it.

import type { Target } from '../incident/actions.ts';
import type { Hold } from '../incident/hold.ts';
import type { Db } from './database.ts';
import { type HoldRow, holdOf } from './hold-row.ts';

export interface Live {
  /** There is never more than one. */
  of(action: string, target: Target): Hold | null;
  /** To be called at each change of a hold, and wherever a transaction begins or is taken back. */
  forget(): void;
}

export function createLive(db: Db): Live {
  const live = db.prepare<[string, string, string], HoldRow>(
    'SELECT * FROM holds WHERE live = 1 AND action = ? AND target_type = ? AND target_id = ?',
  );
  const known = new Map<string, Hold | null>();
  return {
    of(action, { type, id }) {
      const name = `${action} ${type}:${id}`;
      const found = known.get(name);
      if (found !== undefined) return found;
      const row = live.get(action, type, id);
      const hold = row ? holdOf(row) : null;
      known.set(name, hold);
      return hold;
    },
    forget: () => known.clear(),
  };
}
