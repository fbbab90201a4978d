// What an incident is after each of its records: the fold that tells its life again from the audit log alone. Pure.

import { type ActionState, isNews } from './containment.ts';
import type { OrderedAction } from './events.ts';
import type { Incident, Kept } from './incident.ts';
import type { Recorded } from './recorded.ts';
import { moreSevere } from './vocabulary.ts';

type Of<T extends Recorded['type']> = Extract<Recorded, { type: T }>;

/**
 * The incident after the next record of its timeline; null while no record has told what it is. Records of its holds, and of nothing
 * that changes it, leave it as it was.
 * @param kept what it was before; its version is the seq of the last record that changed it
 */
export function retell(kept: Kept | null, record: Recorded): Kept | null {
  if (record.type === 'incident.reported') return { incident: reported(record), version: record.seq };
  if (record.type === 'incident.kept') return { incident: record.data.incident, version: record.data.version };
  if (!kept) return null;
  if (record.type === 'actions.kept') return { ...kept, incident: withActions(kept.incident, record) };
  const incident = changed(kept.incident, record);
  return incident ? { incident: { ...incident, updated_at: record.ts }, version: record.seq } : kept;
}

/** What a record makes of an incident, or null when it does not change it. */
function changed(incident: Incident, record: Recorded): Incident | null {
  switch (record.type) {
    case 'incident.joined':
      return joined(incident, record);
    case 'incident.escalated':
      return { ...incident, severity: record.data.to };
    case 'incident.contained':
      return contained(incident, record);
    case 'incident.ordered':
      return ordered(incident, record);
    case 'incident.acknowledged':
      return { ...incident, state: 'acknowledged' };
    case 'incident.resolved':
      return resolved(incident, record);
    case 'incident.reopened':
      return { ...incident, state: record.data.to };
    case 'incident.noted':
    case 'alert.raised':
      return incident;
    case 'hold.released':
      return record.data.incident_id === incident.id ? incident : null;
    default:
      return null;
  }
}

function reported({ id, ts, seq, hash, data }: Of<'incident.reported'>): Incident {
  const { report, containment } = data;
  return {
    id: String(id),
    created_at: ts,
    updated_at: ts,
    occurred_at: report.occurred_at,
    class: report.class,
    severity: data.severity,
    state: 'open',
    source: report.source,
    reported_by: data.reported_by,
    description: report.description,
    evidence: report.evidence,
    subject: report.subject,
    dedup_key: report.dedup_key,
    occurrences: 1,
    last_seen_at: ts,
    follows: data.follows,
    confidence: report.confidence,
    attack: report.attack,
    trace_id: report.trace_id,
    containment_actions: data.actions.map(({ action }) => action),
    proposed_actions: data.proposed_actions,
    containment: {
      status: containment.status,
      reached_at: containment.reached ? ts : null,
      actions: data.actions.map((action) => stateOf(action, ts)),
    },
    resolved_at: null,
    resolution: null,
    decided_by: data.decided_by,
    audit: { seq, hash },
  };
}

function joined(incident: Incident, { ts, data }: Of<'incident.joined'>): Incident {
  const { containment } = incident;
  const news = data.actions.filter((action) => isNews(action, containment.actions));
  return {
    ...incident,
    severity: moreSevere(incident.severity, data.severity),
    occurrences: data.occurrences,
    last_seen_at: ts,
    containment_actions: [...incident.containment_actions, ...news.map(({ action }) => action)],
    proposed_actions: news.length > 0 ? [] : incident.proposed_actions,
    containment: {
      status: data.containment.status,
      reached_at: data.containment.reached ? (containment.reached_at ?? ts) : null,
      actions: [...containment.actions, ...news.map((action) => stateOf(action, ts))],
    },
    decided_by: news.length > 0 ? data.decided_by : incident.decided_by,
  };
}

function ordered(incident: Incident, { ts, data }: Of<'incident.ordered'>): Incident {
  return {
    ...incident,
    containment_actions: [...incident.containment_actions, ...data.actions.map(({ action }) => action)],
    proposed_actions: [],
    containment: {
      status: data.containment.status,
      reached_at: data.containment.reached ? ts : null,
      actions: [...incident.containment.actions, ...data.actions.map((action) => stateOf(action, ts))],
    },
  };
}

/** By the policy it follows what was ordered, and has been reached by that; by an operator it is reached now. */
function contained(incident: Incident, { ts, data }: Of<'incident.contained'>): Incident {
  const { reached_at } = incident.containment;
  return {
    ...incident,
    state: 'contained',
    proposed_actions: data.by === 'operator' ? [] : incident.proposed_actions,
    containment: { ...incident.containment, status: data.status, reached_at: data.by === 'operator' ? ts : (reached_at ?? ts) },
  };
}

/** It ends all that the incident owned. */
function resolved(incident: Incident, { ts, data }: Of<'incident.resolved'>): Incident {
  const { containment } = incident;
  const actions = containment.actions.map((action): ActionState => (action.hold_id === null ? action : { ...action, status: 'released' }));
  return {
    ...incident,
    state: 'resolved',
    containment: { ...containment, status: data.status, actions },
    resolved_at: ts,
    resolution: data.resolution,
  };
}

/** What was pruned had more actions than one record tells. */
function withActions(incident: Incident, { data }: Of<'actions.kept'>): Incident {
  const { containment } = incident;
  return { ...incident, containment: { ...containment, actions: [...containment.actions, ...data.actions] } };
}

/** What has no hold was done, or refused, when it was ordered. */
function stateOf({ action, target, hold_id, status, error }: OrderedAction, ts: string): ActionState {
  return { action, target, hold_id, status, actuator: null, attempts: 0, error, completed_at: hold_id === null ? ts : null };
}
