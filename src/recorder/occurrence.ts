// What comes of a report that was judged: a new incident, or one more occurrence of one.

import { type ActionState, type ContainmentStatus, isNews, isRefused, statusOf } from '../incident/containment.ts';
import { isWanted } from '../incident/hold.ts';
import type { Incident, Receipt } from '../incident/incident.ts';
import { moreSevere } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import { type Decision, isContained, nameOf } from '../policy/decide.ts';
import type { Problem } from '../policy/dedupe.ts';
import type { Latest } from '../store/incidents.ts';
import { chance } from './chance.ts';
import type { Draft, Subject } from './draft.ts';
import { type Judged, type Reported, alertOf, burstOf, toldOf } from './judged.ts';
import { carryOut, freeOrdered } from './order.ts';
import { isDoneByUs, plan } from './plan.ts';
import { stateBy, tellContained } from './settle.ts';

/** A new incident: what the decision orders is ordered, and the incident is contained when all of it has come far enough. */
export function open(draft: Draft, problem: Problem | null, latest: Latest | null, judged: Judged, log: Log): Reported {
  const { report, caller, decision, by } = judged;
  const id = newIncidentId(draft.now);
  const orders = plan(draft, decision.actions, by);
  const follows = latest?.state === 'resolved' ? latest.id : null;
  const actions = orders.map(({ state }) => state);
  const status = decision.suppressed ? 'suppressed' : statusOf(actions);
  const contained = isContained(draft.policy, actions);
  const gate = decision.suppressed ? [] : decision.gate;

  const receipt = draft.record('incident.reported', { id }, caller.actor, {
    ...toldOf(draft, judged, orders, { status, reached: contained }),
    follows,
    problem: problem?.key ?? null,
    ...(gate.length === 0 ? {} : { gate }),
  });
  const subject = { id, about: receipt.seq };
  let last = receipt;
  if (decision.escalated) last = draft.record('incident.escalated', subject, caller.actor, { ...decision.escalated, ...burstOf(judged) });
  carryOut(draft, orders, { ...subject, seq: receipt.seq, actor: caller.actor, began: receipt.seq, n: 0 }, by);
  if (contained) last = tellContained(draft, subject, caller.actor, status);
  if (decision.alert || actions.some(isRefused)) {
    last = alertOf(draft, subject, judged, decision.severity, actions.some(isRefused), log);
  }

  const incident: Incident = {
    id,
    created_at: draft.now,
    updated_at: draft.now,
    occurred_at: report.occurred_at,
    class: report.class,
    severity: decision.severity,
    state: contained ? 'contained' : 'open',
    source: report.source,
    reported_by: caller.name,
    description: report.description,
    evidence: report.evidence,
    subject: report.subject,
    dedup_key: report.dedup_key,
    occurrences: 1,
    last_seen_at: draft.now,
    follows,
    confidence: report.confidence,
    attack: report.attack,
    trace_id: report.trace_id,
    containment_actions: decision.actions.map(({ action }) => action),
    proposed_actions: decision.proposed.map(({ action }) => action),
    containment: { status, reached_at: contained ? draft.now : null, actions },
    resolved_at: null,
    resolution: null,
    decided_by: decision.decided_by,
    release: gate.length === 0 ? null : { gate, attested: null },
    audit: receipt,
  };
  draft.incidents.insert(incident, last.seq, problem?.key ?? null);
  return { incident, version: last.seq, receipt, how: 'new' };
}

/** One more occurrence: severity may rise, and what the decision now wants beyond what was ordered is ordered too. */
export function join(draft: Draft, latest: Latest, judged: Judged, log: Log): Reported {
  const { caller, decision, by } = judged;
  const kept = draft.incidents.bySeq(latest.seq);
  if (!kept) throw new Error(`incident ${latest.seq} is indexed but not kept`);
  const { incident } = kept;
  const { actions: before } = incident.containment;
  const planned = plan(draft, missingOf(decision, before), by);
  const orders = planned.filter((order) => isNews(order.state, before));
  const ordered = orders.map((order) => order.state);
  const containment = ordered.length > 0 ? containmentOf(draft, incident, [...before, ...ordered]) : incident.containment;
  const reached = containment.reached_at !== null;
  const severity = moreSevere(incident.severity, decision.severity);
  const occurrences = incident.occurrences + 1;

  const subject = { id: incident.id, about: incident.audit.seq };
  const receipt = draft.record('incident.joined', subject, caller.actor, {
    ...toldOf(draft, judged, planned, { status: containment.status, reached }),
    occurrences,
  });
  let last = receipt;
  if (decision.escalated && severity !== incident.severity) {
    last = draft.record('incident.escalated', subject, caller.actor, { from: incident.severity, to: severity, ...burstOf(judged) });
  }
  carryOut(draft, orders, { ...subject, seq: incident.audit.seq, actor: caller.actor, began: receipt.seq, n: before.length }, by);
  freeOrdered(draft, decision.actions, before, { actor: caller.actor, incident_id: incident.id });
  const state = stateBy(incident.state, reached);
  if (state !== incident.state) last = moved(draft, subject, caller.actor, state, containment.status);
  if (ordered.some(isDoneByUs) || ordered.some(isRefused)) {
    last = alertOf(draft, subject, judged, severity, ordered.some(isRefused), log);
  }

  const changed: Incident = {
    ...incident,
    severity,
    occurrences,
    updated_at: draft.now,
    last_seen_at: draft.now,
    state,
    containment,
    containment_actions: [...incident.containment_actions, ...ordered.map(({ action }) => action)],
    proposed_actions: ordered.length > 0 ? [] : incident.proposed_actions,
    decided_by: ordered.length > 0 ? decision.decided_by : incident.decided_by,
  };
  draft.incidents.update(changed, last.seq);
  return { incident: changed, version: last.seq, receipt, how: 'joined' };
}

function missingOf({ actions }: Decision, ordered: readonly ActionState[]): Decision['actions'] {
  // What has ended by itself, or by an operator, is wanted anew by whoever reports it again.
  const known = new Set(ordered.filter(({ status }) => isWanted(status)).map(({ action, target }) => `${action} ${target}`));
  return actions.filter((wanted) => !known.has(`${wanted.action} ${nameOf(wanted)}`));
}

function containmentOf(draft: Draft, { containment }: Incident, actions: readonly ActionState[]): Incident['containment'] {
  const reached_at = isContained(draft.policy, actions) ? (containment.reached_at ?? draft.now) : null;
  return { status: statusOf(actions), reached_at, actions };
}

function moved(draft: Draft, subject: Required<Subject>, actor: string, to: Incident['state'], status: ContainmentStatus): Receipt {
  if (to === 'contained') return tellContained(draft, subject, actor, status);
  return draft.record('incident.reopened', subject, actor, { from: 'contained', to, note: null, request: null });
}

/** `INC-` + UTC date + 12 hex digits of chance: never reused, unique by constraint. */
function newIncidentId(now: string): string {
  return `INC-${now.slice(0, 10).replaceAll('-', '')}-${chance()}`;
}
