// How many incidents there are, read off counters that triggers keep.

import type { Severity, State } from '../incident/vocabulary.ts';
import type { Db } from './database.ts';

export interface Tally {
  readonly class: string;
  readonly severity: Severity;
  readonly state: State;
  readonly n: number;
}

export interface Statistics {
  /** One row per class, severity and state that there is, or was. */
  tallies(): Tally[];
  /** Whether a critical incident about our own integrity is not resolved. */
  isDamaged(): boolean;
}

export function createStatistics(db: Db): Statistics {
  const all = db.prepare<[], Tally>('SELECT class, severity, state, n FROM tallies WHERE n > 0');
  const damaged = db
    .prepare<[], number>(
      `SELECT 1 FROM incidents WHERE source = 'incident-recorder' AND class = 'integrity_violation' AND state <> 'resolved'
         AND severity = 'critical' LIMIT 1`,
    )
    .pluck();
  return { tallies: () => all.all(), isDamaged: () => damaged.get() === 1 };
}
