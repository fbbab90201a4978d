// Incidents as rows, and rows as incidents.

import type { ActionState, ContainmentStatus } from '../incident/containment.ts';
import type { Incident, Kept } from '../incident/incident.ts';
import type { Evidence } from '../incident/report.ts';
import { type Resolution, type Severity, type State, rankOf } from '../incident/vocabulary.ts';
import type { Db } from './database.ts';

interface Row {
  seq: number;
  id: string;
  version: number;
  hash: string;
  created_at: string;
  updated_at: string;
  last_seen_at: string;
  occurrences: number;
  class: string;
  severity: Severity;
  state: State;
  source: string;
  reported_by: string;
  description: string;
  follows: string | null;
  containment_status: ContainmentStatus;
  contained_at: string | null;
  resolved_at: string | null;
  resolution: Resolution | null;
  details: string;
}

/** What is kept as JSON because no query asks for it. */
const DETAILS = [
  'occurred_at',
  'subject',
  'dedup_key',
  'confidence',
  'attack',
  'trace_id',
  'containment_actions',
  'proposed_actions',
  'decided_by',
  'release',
] as const;
type Details = Pick<Incident, (typeof DETAILS)[number]>;

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
  const insert = db.prepare(`INSERT INTO incidents
    (seq, id, version, hash, created_at, updated_at, last_seen_at, occurrences, class, severity, rank, state, source, reported_by,
     description, problem, follows, containment_status, contained_at, resolved_at, resolution, details)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`);
  const update = db.prepare(`UPDATE incidents SET version = ?, updated_at = ?, last_seen_at = ?, occurrences = ?, severity = ?,
    rank = ?, state = ?, containment_status = ?, contained_at = ?, resolved_at = ?, resolution = ?, details = ? WHERE seq = ?`);
  const insertEvidence = db.prepare<[number, string]>('INSERT INTO evidence (incident, json) VALUES (?, ?)');
  const bySeq = db.prepare<[number], Row>('SELECT * FROM incidents WHERE seq = ?');
  const byId = db.prepare<[string], Row>('SELECT * FROM incidents WHERE id = ?');
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

  const keep = (row: Row | undefined): Kept | null => {
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
      const { audit, severity, containment } = incident;
      insert.run(
        ...[audit.seq, incident.id, version, audit.hash, incident.created_at, incident.updated_at, incident.last_seen_at],
        ...[incident.occurrences, incident.class, severity, rankOf(severity), incident.state, incident.source, incident.reported_by],
        ...[incident.description, problem, incident.follows, containment.status, containment.reached_at],
        ...[incident.resolved_at, incident.resolution, detailsOf(incident)],
      );
      if (incident.evidence !== null) insertEvidence.run(audit.seq, JSON.stringify(incident.evidence));
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

/** Without a release gate it says nothing of one, as early versions did not. */
function detailsOf(incident: Incident): string {
  const details = Object.fromEntries(DETAILS.map((field) => [field, incident[field]]));
  return JSON.stringify({ ...details, release: incident.release ?? undefined });
}

function incidentOf(row: Row, evidence: Evidence | null, actions: ActionState[]): Incident {
  const details = JSON.parse(row.details) as Details;
  return {
    id: row.id,
    created_at: row.created_at,
    updated_at: row.updated_at,
    occurred_at: details.occurred_at,
    class: row.class,
    severity: row.severity,
    state: row.state,
    source: row.source,
    reported_by: row.reported_by,
    description: row.description,
    evidence,
    subject: details.subject,
    dedup_key: details.dedup_key,
    occurrences: row.occurrences,
    last_seen_at: row.last_seen_at,
    follows: row.follows,
    confidence: details.confidence,
    attack: details.attack,
    trace_id: details.trace_id,
    containment_actions: details.containment_actions,
    proposed_actions: details.proposed_actions,
    containment: { status: row.containment_status, reached_at: row.contained_at, actions },
    resolved_at: row.resolved_at,
    resolution: row.resolution,
    decided_by: details.decided_by,
    release: details.release ?? null,
    audit: { seq: row.seq, hash: row.hash },
  };
}
