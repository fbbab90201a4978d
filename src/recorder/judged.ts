// A report, what the policy made of it, and how the log tells of that.

import type { Events, RequestMark } from '../incident/events.ts';
import type { Kept, Receipt } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import type { Severity } from '../incident/vocabulary.ts';
import type { Log } from '../log.ts';
import type { Decision } from '../policy/decide.ts';
import { alert } from './alert.ts';
import type { Caller } from './caller.ts';
import type { Draft, Subject } from './draft.ts';
import { type OrderFor, type Planned, told } from './plan.ts';

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

/** What log_alert orders, or a refused action deserves. */
export function alertOf(
  draft: Draft,
  subject: Required<Subject>,
  { report, caller }: Judged,
  severity: Severity,
  refused: boolean,
  log: Log,
): Receipt {
  const reason = refused ? 'an action was refused' : 'log_alert';
  return alert(draft, subject, caller.actor, { ...report, severity, reason }, report.description, log);
}

export function toldOf(
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

export function burstOf({ burst }: Judged): { count: number; window_s: number } {
  return burst ?? { count: 0, window_s: 0 };
}
