// What an incident is after each of its records: the fold that tells its life again from the audit log alone. Pure.

import { type ActionState, isNews } from './containment.ts';
import type { OrderedAction } from './events.ts';
import type { Incident, Kept } from './incident.ts';
import type { Recorded } from './recorded.ts';
import { movedBy } from './retell-holds.ts';
import { moreSevere } from './vocabulary.ts';

type Of<T extends Recorded['type']> = Extract<Recorded, { type: T }>;

/**
 * The incident after the next record of its timeline; null while no record has told what it is. Of its holds the timeline tells while the
 * incident owns them: they move its actions, and leave the rest as it was.
 * @param kept what it was before; its version is the seq of the last record that was about it and changed it, or about a hold of it
 */
export function retell(kept: Kept | null, record: Recorded): Kept | null {
  if (record.type === 'incident.reported') return { incident: reported(record), version: record.seq };
  if (record.type === 'incident.kept') return { incident: record.data.incident, version: record.data.last ?? record.data.version };
  if (!kept) return null;
  if (record.type === 'actions.kept') return { ...kept, incident: withActions(kept.incident, record) };
  if (record.id !== kept.incident.id && !isPartOfEnd(kept.incident, record)) return movedBy(record, kept);
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
      return reopened(incident, record);
    case 'containment.moved':
      return containmentMoved(incident, record);
    case 'incident.attested':
      return attested(incident, record);
    case 'incident.noted':
    case 'alert.raised':
      return incident;
    case 'hold.released':
      return isPartOfEnd(incident, record) ? incident : null;
    default:
      return null;
  }
}

/** Early versions told of the end of an incident's holds as a part of its own. */
function isPartOfEnd({ id }: Incident, { type, data }: Recorded): boolean {
  return type === 'hold.released' && data.status === undefined && data.incident_id === id;
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
    release: data.gate === undefined ? null : { gate: data.gate, attested: null },
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

/** It ends all that the incident owned: at once what others own too, and the rest by the records behind it. */
function resolved(incident: Incident, { ts, data }: Of<'incident.resolved'>): Incident {
  const { containment } = incident;
  const actions = containment.actions.map((action): ActionState => {
    if (action.hold_id === null) return action;
    // Early versions told only that all of it ended.
    const then = data.let_go ? data.let_go.find(({ hold_id }) => hold_id === action.hold_id) : {};
    return then ? { ...action, ...then, status: 'released' } : action;
  });
  return {
    ...incident,
    state: 'resolved',
    containment: { ...containment, status: data.status, actions },
    resolved_at: ts,
    resolution: data.resolution,
  };
}

function reopened(incident: Incident, { data }: Of<'incident.reopened'>): Incident {
  const { containment } = incident;
  if (data.status === undefined) return { ...incident, state: data.to };
  return { ...incident, state: data.to, containment: { ...containment, status: data.status, reached_at: null } };
}

/** Of what is resolved only the status moves: when it was contained is history. */
function containmentMoved(incident: Incident, { ts, data }: Of<'containment.moved'>): Incident {
  const { containment, state } = incident;
  const reached_at = state === 'resolved' ? containment.reached_at : data.reached ? (containment.reached_at ?? ts) : null;
  return { ...incident, containment: { ...containment, status: data.status, reached_at } };
}

function attested(incident: Incident, { ts, actor, data }: Of<'incident.attested'>): Incident {
  const { release } = incident;
  return { ...incident, release: release && { ...release, attested: { binding: data.binding, by: actor, at: ts } } };
}

/** What was pruned had more actions than one record tells. */
function withActions(incident: Incident, { data }: Of<'actions.kept'>): Incident {
  const { containment } = incident;
  return { ...incident, containment: { ...containment, actions: [...containment.actions, ...data.actions] } };
}

/** What has no hold was done, or refused, when it was ordered. */
function stateOf({ action, target, hold_id, status, error, joined: stood, opens }: OrderedAction, ts: string): ActionState {
  const opened = { actuator: opens?.actuator ?? null, attempts: 0, completed_at: hold_id === null ? ts : null };
  const { actuator, attempts, completed_at } = stood ?? opened;
  return { action, target, hold_id, status, actuator, attempts, error, completed_at };
}
