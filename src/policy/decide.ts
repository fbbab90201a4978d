// What is done about a report: pure, and everything it read is in its answer.

import { ACTIONS, type ActionName, type Target } from '../incident/actions.ts';
import type { ActionState } from '../incident/containment.ts';
import type { DecidedBy } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import { type Severity, moreSevere, rankOf } from '../incident/vocabulary.ts';
import type { Policy, Rule } from './policy.ts';

export interface Wanted {
  readonly action: ActionName;
  readonly target: Target;
}

export interface Decision {
  readonly severity: Severity;
  /** What is ordered now, in policy order. */
  readonly actions: readonly Wanted[];
  /** What an operator's `contain` would order. */
  readonly proposed: readonly Wanted[];
  /** Whether an alert is raised: the rule lists log_alert, ordered or not. */
  readonly alert: boolean;
  /** Decided, but held back because the policy only observes. */
  readonly suppressed: boolean;
  readonly max_holds: number;
  readonly escalated: { from: Severity; to: Severity } | null;
  readonly decided_by: DecidedBy;
}

/**
 * The decision on one report.
 * Severity: the reporter's word, else the rule's, else the class's, else medium; never under the rule's floor; raised when
 * `escalating`. Actions follow the class, so playing an incident down does not avoid containment.
 */
export function decide(policy: Policy, report: Report, escalating: boolean): Decision {
  const rule = policy.rules.get(report.class) ?? null;
  const { severity: judged, severity_from } = severityOf(policy, rule, report);
  const severity = escalating && rule?.escalate ? moreSevere(judged, rule.escalate.to) : judged;
  const wanted = (rule?.actions ?? []).map((action) => ({ action, target: ACTIONS[action].target(report) }));
  const ordered = rule?.auto_contain === true && policy.mode === 'enforce';
  return {
    severity,
    actions: ordered ? wanted : [],
    proposed: ordered ? [] : wanted,
    alert: wanted.some(({ action }) => ACTIONS[action].done_by === 'recorder'),
    suppressed: rule?.auto_contain === true && !ordered,
    max_holds: rule?.max_holds ?? 0,
    escalated: severity === judged ? null : { from: judged, to: severity },
    decided_by: {
      policy_sha256: policy.sha256,
      rule: rule && report.class,
      line: rule?.line ?? null,
      severity_from: severity === judged ? severity_from : 'escalation',
    },
  };
}

/** The recorder's own finding: what it says of itself stands, and it acts only where the policy's `self` lets it. */
export function decideOwn(policy: Policy, report: Report, severity: Severity): Decision {
  const acts = report.class === 'integrity_violation' && policy.self.integrity_violation === 'enforce';
  const decision = decide(policy, report, false);
  return {
    ...decision,
    severity,
    ...(acts ? {} : { actions: [], proposed: [], alert: false, suppressed: false }),
    escalated: null,
    decided_by: { ...decision.decided_by, severity_from: 'recorder' },
  };
}

function severityOf(policy: Policy, rule: Rule | null, report: Report): { severity: Severity; severity_from: DecidedBy['severity_from'] } {
  const given = report.severity;
  const ofClass = policy.classes.get(report.class) ?? null;
  const severity = given ?? rule?.default_severity ?? ofClass ?? 'medium';
  const floor = rule?.min_severity ?? null;
  if (floor !== null && rankOf(floor) > rankOf(severity)) return { severity: floor, severity_from: 'floor' };
  return { severity, severity_from: given ? 'reporter' : rule?.default_severity ? 'rule' : ofClass ? 'class' : 'default' };
}

/** Whether an action has come as far as the policy demands before an incident may be called contained. */
function reaches(policy: Policy, { status }: ActionState): boolean {
  switch (status) {
    case 'verified':
      return true;
    case 'recorded':
      return policy.without_actuator === 'recorded';
    case 'failed':
    case 'released':
      return false;
  }
}

/** Whether all that was ordered has come that far. With nothing ordered there is nothing to reach. */
export function isContained(policy: Policy, actions: readonly ActionState[]): boolean {
  return actions.length > 0 && actions.every((action) => reaches(policy, action));
}
