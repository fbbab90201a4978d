// What only telling the log again asks of the tables: where something stands by its id, and what still waits to be told what it is about.

import type { ActionState } from '../incident/containment.ts';
import type { Ownership } from '../incident/events.ts';
import type { Hold, Progress } from '../incident/hold.ts';
import type { Db } from './database.ts';
import { INSERT_HOLD, valuesOf } from './hold-row.ts';
import { FREEZE } from './holds.ts';

/** Waits until an incident or hold is told of: a record that is about it, or an action that owns it. */
interface Waiting {
  readonly id: string;
  readonly record: number | null;
}

export interface Retelling {
  /** The seq of what has this id; null while it is not known. */
  incident(id: string): number | null;
  hold(id: string): number | null;
  /** A hold as it was when its records were pruned. */
  keepHold(hold: Hold): void;
  /** An action of an incident, and how it is owned, as it was then; nothing if it is known already. */
  keepAction(incident: number, n: number, action: ActionState, owned: Ownership): void;
  /** Ends all that an incident owns with record `ended`, also where that was ended by an earlier record of the same change. */
  end(incident: number, ended: number): void;
  /** Ends one thing that an incident owns, known or not, as it was then. */
  letGo(incident: number, ended: number, of: { hold_id: string } & Omit<Progress, 'status'>): void;
  /** A hold that is not known yet has ended: so have those who own it. */
  endUnknown(id: string, ended: number, status: string, error: string | null): void;
  /** Record `record` is about what has this id, which is not known yet. */
  recordWaits(id: string, record: number): void;
  /** The last record that waits for what has this id; null when none does. */
  lastOf(id: string): number | null;
  /** Action `n` of an incident owns the hold with this id, which is not known yet. */
  actionWaits(id: string, incident: number, n: number): void;
  /** The ids of the holds that an incident owns or owned and that are not known yet, by the number of their action. */
  awaited(incident: number): ReadonlyMap<number, string>;
  /** What has this id is known now: all that waited for it is told. */
  place(id: string, seq: number): void;
  /** Forgets what waits in vain because it was pruned: records up to `to`, and actions of incidents that are gone. */
  giveUp(to: number): void;
  waiting(): Waiting | null;
}

/** Makes a temporary table for what waits, which goes with the connection. */
export function createRetelling(db: Db): Retelling {
  // freeze: its action ended with its hold, and is as far as that had come.
  db.exec(`CREATE TEMP TABLE IF NOT EXISTS waiting (id TEXT NOT NULL, record INTEGER, incident INTEGER, n INTEGER, freeze INTEGER);
    CREATE INDEX IF NOT EXISTS temp.waiting_id ON waiting (id);
    CREATE INDEX IF NOT EXISTS temp.waiting_incident ON waiting (incident) WHERE record IS NULL`);
  const incident = db.prepare<[string], number>('SELECT seq FROM incidents WHERE id = ?').pluck();
  const hold = db.prepare<[string], number>('SELECT seq FROM holds WHERE id = ?').pluck();
  const keepHold = db.prepare(INSERT_HOLD);
  const keepAction = db.prepare(`INSERT INTO incident_actions
    (incident, n, action, target, hold, status, actuator, attempts, error, completed_at, began, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  const owns = `(hold IS NOT NULL OR (incident, n) IN (SELECT incident, n FROM temp.waiting WHERE record IS NULL))`;
  const end = db.prepare<[number, number]>(`UPDATE incident_actions SET ended = ?, status = 'released' WHERE incident = ? AND ${owns}`);
  const letGo =
    db.prepare(`UPDATE incident_actions SET ended = ?, status = 'released', actuator = ?, attempts = ?, error = ?, completed_at = ?
    WHERE incident = ? AND ended = 0 AND (hold = (SELECT seq FROM holds WHERE id = ?)
      OR (incident, n) IN (SELECT incident, n FROM temp.waiting WHERE id = ? AND record IS NULL))`);
  const endUnknown = db.prepare(`UPDATE incident_actions SET ended = ?, status = ?, error = ?
    WHERE ended = 0 AND (incident, n) IN (SELECT incident, n FROM temp.waiting WHERE id = ? AND record IS NULL)`);
  const freezeLater = db.prepare<[string, number]>(`UPDATE temp.waiting SET freeze = 1 WHERE id = ? AND record IS NULL
    AND EXISTS (SELECT 1 FROM incident_actions a WHERE a.incident = waiting.incident AND a.n = waiting.n AND a.ended = ?)`);
  const freeze = db.prepare<[string]>(`UPDATE incident_actions SET ${FREEZE}
    WHERE (incident, n) IN (SELECT incident, n FROM temp.waiting WHERE id = ? AND freeze = 1)`);
  const wait = db.prepare('INSERT INTO temp.waiting VALUES (?, ?, ?, ?, 0)');
  const awaited = db.prepare<[number], [number, string]>('SELECT n, id FROM temp.waiting WHERE incident = ? AND record IS NULL').raw();
  const lastOf = db.prepare<[string], number | null>('SELECT max(record) FROM temp.waiting WHERE id = ?').pluck();
  const isAwaited = db.prepare<[string], number>('SELECT 1 FROM temp.waiting WHERE id = ? LIMIT 1').pluck();
  const placeRecords = db.prepare<[number, string]>(
    'UPDATE records SET about = ? WHERE seq IN (SELECT record FROM temp.waiting WHERE id = ? AND record IS NOT NULL)',
  );
  const placeActions = db.prepare<[number, string]>(
    'UPDATE incident_actions SET hold = ? WHERE (incident, n) IN (SELECT incident, n FROM temp.waiting WHERE id = ? AND record IS NULL)',
  );
  const placed = db.prepare<[string]>('DELETE FROM temp.waiting WHERE id = ?');
  const giveUp = db.prepare<[number]>(
    'DELETE FROM temp.waiting WHERE record <= ? OR (record IS NULL AND incident NOT IN (SELECT seq FROM incidents))',
  );
  const waiting = db.prepare<[], Waiting>('SELECT id, record FROM temp.waiting LIMIT 1');
  return {
    incident: (id) => incident.get(id) ?? null,
    hold: (id) => hold.get(id) ?? null,
    keepHold: (kept) => void keepHold.run(...valuesOf(kept)),
    keepAction(of, n, { action, target, actuator, attempts, error, completed_at }, owned) {
      const { hold: by, began, ended } = owned;
      // Early versions told of what had ended as it was before.
      const status = owned.of === undefined && by !== null && ended !== 0 ? 'released' : owned.status;
      const told = owned.of ?? { actuator, attempts, error, completed_at };
      keepAction.run(of, n, action, target, by, status, told.actuator, told.attempts, told.error, told.completed_at, began, ended);
    },
    end: (of, ended) => void end.run(ended, of),
    letGo: (of, ended, { hold_id, actuator, attempts, error, completed_at }) =>
      void letGo.run(ended, actuator, attempts, error, completed_at, of, hold_id, hold_id),
    endUnknown(id, ended, status, error) {
      endUnknown.run(ended, status, error, id);
      freezeLater.run(id, ended);
    },
    recordWaits: (id, record) => void wait.run(id, record, null, null),
    lastOf: (id) => lastOf.get(id) ?? null,
    actionWaits: (id, of, n) => void wait.run(id, null, of, n),
    awaited: (of) => new Map(awaited.all(of)),
    place(id, seq) {
      if (isAwaited.get(id) === undefined) return;
      placeRecords.run(seq, id);
      placeActions.run(seq, id);
      freeze.run(id);
      placed.run(id);
    },
    giveUp: (to) => void giveUp.run(to),
    waiting: () => waiting.get() ?? null,
  };
}
