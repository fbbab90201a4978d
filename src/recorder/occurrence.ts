// What comes of a report that was judged: a new incident, or one more occurrence of one.

import { targetName } from '../incident/actions.ts';
import { type ActionState, type ContainmentStatus, isNews, isRefused, statusOf } from '../incident/containment.ts';
import type { Events, RequestMark } from '../incident/events.ts';
import type { Incident, Kept, Receipt } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import { type Severity, type State, moreSevere } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import { type Decision, isContained } from '../policy/decide.ts';
import type { Problem } from '../policy/dedupe.ts';
import type { Latest } from '../store/incidents.ts';
import type { Caller } from './caller.ts';
import { chance } from './chance.ts';
import type { Draft, Subject } from './draft.ts';
import { type OrderFor, type Planned, alert, carryOut, isDoneByUs, plan, told } from './order.ts';

export interface Reported extends Kept {
  readonly receipt: Receipt;
  readonly how: 'new' | 'joined' | 'replayed';
}

export interface ReportRequest {
  readonly report: Report;
  readonly caller: Caller;
  readonly mark: RequestMark | null;
  /** The recorder's own finding, with the severity that it stands by; null for a report from outside. */
  readonly own: Severity | null;
}

/** A report, and what the policy makes of it. */
export interface Judged extends ReportRequest {
  readonly decision: Decision;
  /** The measure of its rule, when it is one report too many in its window. */
  readonly burst: { readonly count: number; readonly window_s: number } | null;
  readonly by: OrderFor;
}

/** A new incident: what the decision orders is ordered, and the incident is contained when all of it has come far enough. */
export function open(draft: Draft, problem: Problem | null, latest: Latest | null, judged: Judged, log: Log): Reported {
  const { report, caller, decision, by } = judged;
  const id = newIncidentId(draft.now);
  const orders = plan(draft, decision.actions, by);
  const follows = latest?.state === 'resolved' ? latest.id : null;
  const actions = orders.map(({ state }) => state);
  const status = decision.suppressed ? 'suppressed' : statusOf(actions);
  const contained = isContained(draft.policy, actions);

  const receipt = draft.record('incident.reported', { id }, caller.actor, {
    ...toldOf(draft, judged, orders, { status, reached: contained }),
    follows,
    problem: problem?.key ?? null,
  });
  const subject = { id, about: receipt.seq };
  let last = receipt;
  if (decision.escalated) last = draft.record('incident.escalated', subject, caller.actor, { ...decision.escalated, ...burstOf(judged) });
  carryOut(draft, orders, { ...subject, seq: receipt.seq, actor: caller.actor, began: receipt.seq, n: 0 }, by);
  if (contained)
    last = draft.record('incident.contained', subject, caller.actor, { from: 'open', by: 'policy', status, note: null, request: null });
  if (decision.alert || actions.some(isRefused)) {
    last = alert(draft, subject, caller.actor, { ...report, severity: decision.severity }, actions.some(isRefused), log);
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
    audit: receipt,
  };
  draft.incidents.insert(incident, last.seq, problem?.key ?? null);
  return { incident, version: last.seq, receipt, how: 'new' };
}

/** One more occurrence: severity may rise, and what the decision now wants beyond what was ordered is ordered too. */
export function join(draft: Draft, latest: Latest, judged: Judged, log: Log): Reported {
  const { report, caller, decision, by } = judged;
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
  const state = stateBy(incident.state, containment);
  if (state !== incident.state) last = moved(draft, subject, caller.actor, state, containment.status);
  if (ordered.some(isDoneByUs) || ordered.some(isRefused)) {
    last = alert(draft, subject, caller.actor, { ...report, severity }, ordered.some(isRefused), log);
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
  const known = new Set(ordered.map(({ action, target }) => `${action} ${target}`));
  return actions.filter(({ action, target }) => !known.has(`${action} ${targetName(target)}`));
}

function containmentOf(draft: Draft, { containment }: Incident, actions: readonly ActionState[]): Incident['containment'] {
  const reached_at = isContained(draft.policy, actions) ? (containment.reached_at ?? draft.now) : null;
  return { status: statusOf(actions), reached_at, actions };
}

/** Of itself an incident moves between open and contained only, so that the word is true whenever it is shown. */
function stateBy(state: State, { reached_at }: Incident['containment']): State {
  if (state !== 'open' && state !== 'contained') return state;
  return reached_at === null ? 'open' : 'contained';
}

function moved(draft: Draft, subject: Required<Subject>, actor: string, to: State, status: ContainmentStatus): Receipt {
  const step = { note: null, request: null };
  if (to === 'contained') return draft.record('incident.contained', subject, actor, { from: 'open', by: 'policy', status, ...step });
  return draft.record('incident.reopened', subject, actor, { from: 'contained', to, ...step });
}

function toldOf(
  draft: Draft,
  { report, caller, mark, decision }: Judged,
  orders: readonly Planned[],
  containment: Events['incident.reported']['containment'],
) {
  return {
    report,
    reported_by: caller.name,
    severity: decision.severity,
    mode: draft.policy.mode,
    decided_by: decision.decided_by,
    actions: told(orders),
    proposed_actions: decision.proposed.map(({ action }) => action),
    containment,
    request: mark,
  };
}

function burstOf({ burst }: Judged): { count: number; window_s: number } {
  return burst ?? { count: 0, window_s: 0 };
}

/** `INC-` + UTC date + 12 hex digits of chance: never reused, unique by constraint. */
function newIncidentId(now: string): string {
  return `INC-${now.slice(0, 10).replaceAll('-', '')}-${chance()}`;
}
