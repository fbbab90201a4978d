// An incident as a row, and a row as an incident.

import type { ActionState, ContainmentStatus } from '../incident/containment.ts';
import type { Incident } from '../incident/incident.ts';
import type { Evidence } from '../incident/report.ts';
import { type Resolution, type Severity, type State, rankOf } from '../incident/vocabulary.ts';

export interface IncidentRow {
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
type Details = Pick<
  Incident,
  | 'occurred_at'
  | 'subject'
  | 'dedup_key'
  | 'confidence'
  | 'attack'
  | 'trace_id'
  | 'containment_actions'
  | 'proposed_actions'
  | 'decided_by'
  | 'release'
>;

export const INSERT_INCIDENT = `INSERT INTO incidents
  (seq, id, version, hash, created_at, updated_at, last_seen_at, occurrences, class, severity, rank, state, source, reported_by,
   description, problem, follows, containment_status, contained_at, resolved_at, resolution, details)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`;

/** Of INSERT_INCIDENT. */
export function valuesOf(incident: Incident, version: number, problem: string | null): (string | number | null)[] {
  const { audit, severity, containment } = incident;
  return [
    audit.seq,
    incident.id,
    version,
    audit.hash,
    incident.created_at,
    incident.updated_at,
    incident.last_seen_at,
    incident.occurrences,
    incident.class,
    severity,
    rankOf(severity),
    incident.state,
    incident.source,
    incident.reported_by,
    incident.description,
    problem,
    incident.follows,
    containment.status,
    containment.reached_at,
    incident.resolved_at,
    incident.resolution,
    detailsOf(incident),
  ];
}

/** Without a release gate it says nothing of one, as early versions did not. */
export function detailsOf(incident: Incident): string {
  const { release } = incident;
  const details: Omit<Details, 'release'> = {
    occurred_at: incident.occurred_at,
    subject: incident.subject,
    dedup_key: incident.dedup_key,
    confidence: incident.confidence,
    attack: incident.attack,
    trace_id: incident.trace_id,
    containment_actions: incident.containment_actions,
    proposed_actions: incident.proposed_actions,
    decided_by: incident.decided_by,
  };
  return JSON.stringify(release === null ? details : { ...details, release });
}

export function incidentOf(row: IncidentRow, evidence: Evidence | null, actions: ActionState[]): Incident {
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
