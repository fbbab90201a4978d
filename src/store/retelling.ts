// What only telling the log again asks of the tables: where something stands by its id, and what still waits to be told what it is about.

import type { ActionState } from '../incident/containment.ts';
import type { Ownership } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import type { Db } from './database.ts';

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
  keepHold(hold: Hold, releasedAt: string | null): void;
  /** An action of an incident, and how it is owned, as it was then; nothing if it is known already. */
  keepAction(incident: number, n: number, action: ActionState, owned: Ownership): void;
  /** Ends what an incident owns with record `ended`, also where that was ended by an earlier record of the same change. */
  end(incident: number, ended: number): void;
  /** Record `record` is about what has this id, which is not known yet. */
  recordWaits(id: string, record: number): void;
  /** Action `n` of an incident owns the hold with this id, which is not known yet. */
  actionWaits(id: string, incident: number, n: number): void;
  /** What has this id is known now: all that waited for it is told. */
  place(id: string, seq: number): void;
  /** Forgets what waits in vain because it was pruned: records up to `to`, and actions of incidents that are gone. */
  giveUp(to: number): void;
  waiting(): Waiting | null;
}

/** Makes a temporary table for what waits, which goes with the connection. */
export function createRetelling(db: Db): Retelling {
  db.exec(`CREATE TEMP TABLE IF NOT EXISTS waiting (id TEXT NOT NULL, record INTEGER, incident INTEGER, n INTEGER);
    CREATE INDEX IF NOT EXISTS temp.waiting_id ON waiting (id)`);
  const incident = db.prepare<[string], number>('SELECT seq FROM incidents WHERE id = ?').pluck();
  const hold = db.prepare<[string], number>('SELECT seq FROM holds WHERE id = ?').pluck();
  const keepHold =
    db.prepare(`INSERT INTO holds (seq, id, action, target_type, target_id, status, live, rule, source, created_at, released_at)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const keepAction = db.prepare(`INSERT INTO incident_actions
    (incident, n, action, target, hold, status, error, completed_at, began, ended) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`);
  // What has no hold was completed when it was ordered.
  const end = db.prepare<[number, number]>('UPDATE incident_actions SET ended = ? WHERE incident = ? AND completed_at IS NULL');
  const wait = db.prepare('INSERT INTO temp.waiting VALUES (?, ?, ?, ?)');
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
    keepHold({ seq, id, action, target, status, rule, source, created_at }, releasedAt) {
      const live = status === 'released' ? 0 : 1;
      keepHold.run(seq, id, action, target.type, target.id, status, live, rule, source, created_at, releasedAt);
    },
    keepAction(of, n, { action, target, error, completed_at }, owned) {
      keepAction.run(of, n, action, target, owned.hold, owned.status, error, completed_at, owned.began, owned.ended);
    },
    end: (of, ended) => void end.run(ended, of),
    recordWaits: (id, record) => void wait.run(id, record, null, null),
    actionWaits: (id, of, n) => void wait.run(id, null, of, n),
    place(id, seq) {
      if (isAwaited.get(id) === undefined) return;
      placeRecords.run(seq, id);
      placeActions.run(seq, id);
      placed.run(id);
    },
    giveUp: (to) => void giveUp.run(to),
    waiting: () => waiting.get() ?? null,
  };
}
