// How far a list looks for one page: rows that are looked at are bounded, whether they match or not.

import type { Db } from './database.ts';

/** Rows looked at for one page. */
export const MAX_EXAMINED = 5000;

/** The seq of the last row that is looked at behind `before`, newest first; null when that is all there is. */
export type Reach = (before: number) => number | null;

export function createReach(db: Db, table: 'holds' | 'commands' | 'approvals'): Reach {
  const last = db
    .prepare<[number], number>(`SELECT seq FROM ${table} WHERE seq < ? ORDER BY seq DESC LIMIT 1 OFFSET ${MAX_EXAMINED - 1}`)
    .pluck();
  return (before) => last.get(before) ?? null;
}
