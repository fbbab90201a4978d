// Incidents in their tables: what happened, how it stands, and what was ordered for it.

import type { ActionState } from '../incident/containment.ts';
import type { Incident, Kept } from '../incident/incident.ts';
import type { Evidence } from '../incident/report.ts';
import { type State, rankOf } from '../incident/vocabulary.ts';
import type { Db } from './database.ts';
import { INSERT_INCIDENT, type IncidentRow, detailsOf, incidentOf, valuesOf } from './incident-row.ts';

/** The live incident of a problem, or the last one it had. */
export interface Latest {
  readonly seq: number;
  readonly id: string;
  readonly state: State;
  readonly last_seen_at: string;
  readonly occurrences: number;
}

export interface Incidents {
  insert(incident: Incident, version: number, problem: string | null): void;
  /** Writes all that can change after the report. */
  update(incident: Incident, version: number): void;
  /** By the seq of its `incident.reported` record. */
  bySeq(seq: number): Kept | null;
  byId(id: string): Kept | null;
  /** The seq of the last record about it or one of its holds, while it owned them: its ETag. */
  version(seq: number): number;
  latestOf(problem: string): Latest | null;
  /** `began` is the seq of the record that ordered it: from then on the incident owns `hold`. */
  setAction(incident: number, n: number, state: ActionState, hold: number | null, began: number): void;
}

export function createIncidents(db: Db): Incidents {
  const insert = db.prepare(INSERT_INCIDENT);
  const update = db.prepare(`UPDATE incidents SET version = ?, updated_at = ?, last_seen_at = ?, occurrences = ?, severity = ?,
    rank = ?, state = ?, containment_status = ?, contained_at = ?, resolved_at = ?, resolution = ?, details = ? WHERE seq = ?`);
  const insertEvidence = db.prepare<[number, string]>('INSERT INTO evidence (incident, json) VALUES (?, ?)');
  const bySeq = db.prepare<[number], IncidentRow>('SELECT * FROM incidents WHERE seq = ?');
  const byId = db.prepare<[string], IncidentRow>('SELECT * FROM incidents WHERE id = ?');
  const evidence = db.prepare<[number], string>('SELECT json FROM evidence WHERE incident = ?').pluck();
  const latest = db.prepare<[string], Latest>(
    'SELECT seq, id, state, last_seen_at, occurrences FROM incidents WHERE problem = ? ORDER BY seq DESC LIMIT 1',
  );
  // What an incident owns is as far as its hold has come; of what it owned, how far that had come is frozen.
  const actions = db.prepare<[number], ActionState & { version: number }>(`
    SELECT a.action, a.target, h.id AS hold_id, CASE WHEN owned THEN h.status ELSE a.status END AS status,
      CASE WHEN owned THEN h.actuator ELSE a.actuator END AS actuator, CASE WHEN owned THEN h.attempts ELSE a.attempts END AS attempts,
      CASE WHEN owned THEN h.error ELSE a.error END AS error, CASE WHEN owned THEN h.completed_at ELSE a.completed_at END AS completed_at,
      CASE WHEN owned THEN h.version ELSE a.ended END AS version
    FROM (SELECT *, hold IS NOT NULL AND ended = 0 AS owned FROM incident_actions WHERE incident = ?) a
    LEFT JOIN holds h ON h.seq = a.hold ORDER BY a.n`);
  const lastOf = db
    .prepare<{ seq: number }, number>(
      `SELECT max(i.version, coalesce((SELECT max(iif(a.ended = 0, h.version, a.ended)) FROM incident_actions a JOIN holds h ON h.seq = a.hold
       WHERE a.incident = :seq), 0)) FROM incidents i WHERE i.seq = :seq`,
    )
    .pluck();
  const insertAction = db.prepare(`INSERT INTO incident_actions
    (incident, n, action, target, hold, status, actuator, attempts, error, completed_at, began) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);

  const keep = (row: IncidentRow | undefined): Kept | null => {
    if (!row) return null;
    const json = evidence.get(row.seq);
    let { version } = row;
    const states = actions.all(row.seq).map(({ version: last, ...state }) => {
      version = Math.max(version, last);
      return state;
    });
    return { incident: incidentOf(row, json === undefined ? null : (JSON.parse(json) as Evidence), states), version };
  };

  return {
    insert(incident, version, problem) {
      insert.run(...valuesOf(incident, version, problem));
      if (incident.evidence !== null) insertEvidence.run(incident.audit.seq, JSON.stringify(incident.evidence));
    },
    update(incident, version) {
      const { severity, containment } = incident;
      update.run(
        ...[version, incident.updated_at, incident.last_seen_at, incident.occurrences, severity, rankOf(severity), incident.state],
        ...[containment.status, containment.reached_at, incident.resolved_at, incident.resolution, detailsOf(incident), incident.audit.seq],
      );
    },
    bySeq: (seq) => keep(bySeq.get(seq)),
    byId: (id) => keep(byId.get(id)),
    version: (seq) => lastOf.get({ seq }) ?? 0,
    latestOf: (problem) => latest.get(problem) ?? null,
    setAction: (incident, n, { action, target, status, actuator, attempts, error, completed_at }, hold, began) =>
      void insertAction.run(incident, n, action, target, hold, status, actuator, attempts, error, completed_at, began),
  };
}
