// How severe a report is, and by whose word. Pure.

import type { DecidedBy } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import { type Severity, rankOf } from '../incident/vocabulary.ts';
import type { Policy, Rule } from './policy.ts';

export interface Judgement {
  readonly severity: Severity;
  readonly severity_from: DecidedBy['severity_from'];
}

/** The reporter's word, else the rule's, else the class's, else medium; never under the rule's floor. */
export function severityOf(policy: Policy, rule: Rule | null, report: Report): Judgement {
  const given = report.severity;
  const ofClass = policy.classes.get(report.class) ?? null;
  const severity = given ?? rule?.default_severity ?? ofClass ?? 'medium';
  const floor = rule?.min_severity ?? null;
  if (floor !== null && rankOf(floor) > rankOf(severity)) return { severity: floor, severity_from: 'floor' };
  return { severity, severity_from: given ? 'reporter' : rule?.default_severity ? 'rule' : ofClass ? 'class' : 'default' };
}
