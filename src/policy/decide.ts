// What is done about a report: pure, and everything it read is in its answer.

import { type Target, isAction, isOurs, targetName, targetOf } from '../incident/actions.ts';
import type { ActionName, Told } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import { type ActionState, wantedOf } from '../incident/containment.ts';
import type { DecidedBy, Gate, Incident } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import { type Severity, moreSevere } from '../incident/vocabulary.ts';
import { type Facts, holds } from './condition.ts';
import { plainAction } from './plain-action.ts';
import type { Policy, Rule, RuleAction } from './policy.ts';
import { protectionsOf } from './protect.ts';
import { severityOf } from './severity.ts';

export interface Wanted {
  readonly action: ActionName;
  /** Null only where there is none to be found, and it is refused for that. */
  readonly target: Target | null;
  readonly params: Params;
  /** One step or a ladder; empty = until its incidents are resolved. */
  readonly ttl_ms: readonly number[];
  /** Why an operator must approve it first; null = nobody must. */
  readonly approval: string | null;
  readonly refused: { readonly reason: 'protected' | 'no_target'; readonly detail: string } | null;
}

/** As targets are shown; `?` where the report has none. */
export function nameOf({ action, target }: Pick<Wanted, 'action' | 'target'>): string {
  return target ? targetName(target) : `${action}:?`;
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
  readonly cooldown_ms: number;
  /** What must be shown before the incident can be resolved. */
  readonly gate: readonly Gate[];
  readonly escalated: { from: Severity; to: Severity } | null;
  readonly decided_by: DecidedBy;
}

/** A condition, or a protection, and how it came out. */
interface Tried {
  readonly action: ActionName;
  readonly kind: 'if' | 'approve' | 'protect';
  readonly text: string;
  readonly holds: boolean;
}

/**
 * The decision on one report.
 * Severity: the reporter's word, else the rule's, else the class's, else medium; never under the rule's floor; raised when
 * `escalating`. Actions follow the class and its conditions; a rule without conditions cannot be avoided by playing an incident down.
 * @param facts `occurrences` of the incident, this report included
 */
export function decide(policy: Policy, report: Report, facts: { escalating: boolean; occurrences: number }): Decision {
  const rule = policy.rules.get(report.class) ?? null;
  const { severity: judged, severity_from } = severityOf(policy, rule, report);
  const severity = facts.escalating && rule?.escalate ? moreSevere(judged, rule.escalate.to) : judged;
  const from = severity === judged ? severity_from : 'escalation';
  const escalated = severity === judged ? null : { from: judged, to: severity };
  return judge(policy, rule, report, { severity, occurrences: facts.occurrences, severity_from: from, escalated });
}

/** The recorder's own finding: what it says of itself stands, and it acts only where the policy's `self` lets it. */
export function decideOwn(policy: Policy, report: Report, severity: Severity): Decision {
  const acts = report.class === 'integrity_violation' && policy.self.integrity_violation === 'enforce';
  const rule = policy.rules.get(report.class) ?? null;
  const decision = judge(policy, rule, report, { severity, occurrences: 1, severity_from: 'recorder', escalated: null });
  if (acts) return decision;
  const { conditions: _, ...decided_by } = decision.decided_by;
  return { ...decision, actions: [], proposed: [], alert: false, suppressed: false, gate: [], decided_by };
}

interface Judged {
  readonly severity: Severity;
  readonly severity_from: DecidedBy['severity_from'];
  readonly occurrences: number;
  readonly escalated: Decision['escalated'];
}

function judge(policy: Policy, rule: Rule | null, report: Report, judged: Judged): Decision {
  const { severity, severity_from, occurrences, escalated } = judged;
  const facts = { severity, occurrences, confidence: report.confidence ?? 1, source: report.source, mode: policy.mode };
  const { wanted, tried } = weigh(policy, rule?.actions ?? [], report, facts);
  const ordered = rule?.auto_contain === true && policy.mode !== 'observe';
  const decided_by = { policy_sha256: policy.sha256, rule: rule && report.class, line: rule?.line ?? null, severity_from };
  return {
    severity,
    actions: ordered ? wanted : [],
    proposed: ordered ? [] : wanted,
    alert: wanted.some(({ action }) => isOurs(action)),
    suppressed: rule?.auto_contain === true && !ordered,
    max_holds: rule?.max_holds ?? 0,
    cooldown_ms: rule?.cooldown_ms ?? 0,
    gate: rule?.gate ?? [],
    escalated,
    decided_by: tried.length > 0 ? { ...decided_by, conditions: tried } : decided_by,
  };
}

/** What of the entries is wanted by these facts. Of two for one action and target, the first that holds. */
function weigh(policy: Policy, entries: readonly RuleAction[], told: Told, facts: Facts): { wanted: Wanted[]; tried: Tried[] } {
  const tried: Tried[] = [];
  const wanted: Wanted[] = [];
  const seen: string[] = [];
  for (const entry of entries) {
    const { action } = entry;
    const isMet = entry.if === null || holds(entry.if, facts);
    if (entry.if) tried.push({ action, kind: 'if', text: entry.if.text, holds: isMet });
    if (!isMet) continue;
    const target = targetOf(action, entry.target, told);
    const isMissing = 'missing' in target;
    const key = `${action} ${isMissing ? `at ${entry.target}` : targetName(target)}`;
    if (seen.includes(key)) continue;
    seen.push(key);
    wanted.push(isMissing ? withoutTarget(entry, target.missing) : weighOne(policy, entry, target, facts, tried));
  }
  return { wanted, tried };
}

function withoutTarget({ action, params, ttl_ms }: RuleAction, detail: string): Wanted {
  return { action, target: null, params, ttl_ms, approval: null, refused: { reason: 'no_target', detail } };
}

/** @param tried is told of what was asked */
function weighOne(policy: Policy, { action, params, ttl_ms, approve }: RuleAction, target: Target, facts: Facts, tried: Tried[]): Wanted {
  const plain: Wanted = { action, target, params, ttl_ms, approval: null, refused: null };
  if (isOurs(action)) return plain;
  const isFree = policy.protect.length === 0 && policy.mode !== 'approve' && approve === null;
  if (isFree) return plain;
  const protections = protectionsOf(policy.protect, action, target);
  const hit = protections.find(({ with_approval }) => !with_approval) ?? protections[0];
  if (hit) tried.push({ action, kind: 'protect', text: `line ${hit.line}`, holds: true });
  if (hit && !hit.with_approval) return { ...plain, refused: { reason: 'protected', detail: `line ${hit.line}` } };
  if (approve) tried.push({ action, kind: 'approve', text: approve.text, holds: holds(approve, facts) });
  const reasons = [
    ...(policy.mode === 'approve' ? ['mode: approve'] : []),
    ...(approve && holds(approve, facts) ? [`approve: ${approve.text}`] : []),
    ...(hit ? [`protect: line ${hit.line}`] : []),
  ];
  return reasons.length > 0 ? { ...plain, approval: reasons.join('; ') } : plain;
}

/**
 * What an operator's `contain` orders of what was only proposed. The operator's word is the approval; what is protected stays so,
 * unless an approval is all that it asks for. Where no entry of an action holds any more, all of them do.
 * @param names of proposed actions; what is no action of this version is left out
 */
export function propose(
  policy: Policy,
  incident: Told & Pick<Incident, 'class' | 'severity' | 'confidence' | 'occurrences' | 'source'>,
  names: readonly string[],
): Wanted[] {
  const rule = policy.rules.get(incident.class);
  const facts = { ...incident, confidence: incident.confidence ?? 1, mode: policy.mode };
  const entries = [...new Set(names)].filter(isAction).flatMap((name) => {
    const written = rule?.actions.filter(({ action }) => action === name) ?? [];
    const held = written.filter((entry) => !entry.if || holds(entry.if, facts));
    const chosen = held.length > 0 ? held : written;
    return chosen.length > 0 ? chosen : [plainAction(name)];
  });
  const asked = entries.map((entry) => ({ ...entry, if: null, approve: null }));
  return weigh(policy, asked, incident, facts).wanted.map((each) => ({ ...each, approval: null }));
}

/** Whether an action has come as far as the policy demands before an incident may be called contained. */
function reaches({ contained_when, without_actuator }: Policy, { status }: ActionState): boolean {
  switch (status) {
    case 'verified':
      return true;
    case 'enforced':
      return contained_when !== 'verified';
    case 'accepted':
      return contained_when === 'accepted';
    case 'recorded':
      return without_actuator === 'recorded';
    default:
      return false;
  }
}

/** Whether all that is wanted has come that far. With nothing wanted there is nothing to reach. */
export function isContained(policy: Policy, actions: readonly ActionState[]): boolean {
  const wanted = wantedOf(actions);
  return wanted.length > 0 && wanted.every((action) => reaches(policy, action));
}
