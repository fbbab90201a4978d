// The decision on one report, with everything that led to it and everything that would come of it. Pure.

import { isOurs, rowOf, targetName, targetOf } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import type { Gate } from '../incident/incident.ts';
import type { Report } from '../incident/report.ts';
import { OWN_SOURCE, type Severity } from '../incident/vocabulary.ts';
import { type Facts, holds } from './condition.ts';
import { type Decision, type Wanted, decide } from './decide.ts';
import { problemOf } from './dedupe.ts';
import { type Actuator, type Condition, type Policy, type Rule, type RuleAction, actuatorOf } from './policy.ts';
import { protectionsOf } from './protect.ts';

/** What is told to a decision beside the report. */
export interface Given {
  /** Whether the report is one too many in the window of its rule. */
  readonly escalating: boolean;
  /** Of its incident, this report included. */
  readonly occurrences: number;
  /** The name of the token that reports; null = not given. */
  readonly reported_by: string | null;
}

interface Asked {
  readonly text: string;
  readonly holds: boolean;
}

/**
 * `not_wanted`: its condition does not hold. `came_second`: an entry before it orders the same on the same target. `proposed`: an
 * operator's contain would order it.
 */
type Outcome = 'ordered' | 'awaiting_approval' | 'proposed' | 'refused' | 'not_wanted' | 'came_second';

/** One entry of the rule. */
export interface ExplainedAction {
  readonly action: string;
  readonly outcome: Outcome;
  /** `type:id`; null where the report has none. */
  readonly target: string | null;
  /** Where the target is told: `subject`, `evidence.<key>`, `all` there is, or the `model` of the evidence. */
  readonly target_from: string;
  readonly params: Params;
  /** Milliseconds; empty = until its incidents are resolved. Whoever was held before gets a later step. */
  readonly ttl_ms: readonly number[];
  readonly if: Asked | null;
  readonly approve: Asked | null;
  /** Why an operator must approve it first; null = nobody must. */
  readonly approval: string | null;
  readonly refused: { readonly reason: 'protected' | 'no_target'; readonly detail: string } | null;
  readonly protected: readonly { readonly line: number; readonly with_approval: boolean }[];
  /** Who is asked to do it; null = nobody that is known, so it is only recorded, or the recorder itself (`log_alert`). */
  readonly actuator: { readonly name: string; readonly by: 'push' | 'pull'; readonly deadline_ms: number } | null;
  /** When it counts as contained: `at_commit` is done with the report; `never` = an operator must see to it. */
  readonly counts: 'at_commit' | 'recorded' | 'accepted' | 'enforced' | 'verified' | 'never';
}

export interface Explained {
  readonly class: string;
  /** False: a report of this class is refused at the door. */
  readonly known_class: boolean;
  /** No token may report under the recorder's own name. */
  readonly own_source: boolean;
  readonly policy: Pick<Policy, 'from' | 'sha256' | 'mode'>;
  /** The class whose rule decides, and its line in the file; null when there is none. */
  readonly rule: string | null;
  readonly line: number | null;
  readonly auto_contain: boolean;
  readonly severity: Severity;
  readonly severity_from: Decision['decided_by']['severity_from'];
  readonly escalated: Decision['escalated'];
  readonly facts: Given & { readonly confidence: number; readonly escalate: Rule['escalate'] };
  readonly actions: readonly ExplainedAction[];
  readonly alert: boolean;
  /** Decided, but held back because the policy only observes. */
  readonly suppressed: boolean;
  /** When its incident is contained; `by_operator`: something is refused, or will never count; `nothing_ordered`: so it stays open. */
  readonly contained: 'at_once' | 'later' | 'by_operator' | 'nothing_ordered';
  /** What later reports join it by: null = none do. `key` as records have it; null where it takes the token's name. */
  readonly dedupe: { readonly by: readonly string[]; readonly window_ms: number | null; readonly key: string | null } | null;
  readonly cooldown_ms: number;
  readonly max_holds: number;
  readonly gate: readonly Gate[];
}

export function explain(policy: Policy, report: Report, given: Given): Explained {
  const decision = decide(policy, report, given);
  const rule = policy.rules.get(report.class) ?? null;
  const { decided_by, severity, escalated, alert, suppressed, cooldown_ms, max_holds, gate } = decision;
  const confidence = report.confidence ?? 1;
  const facts = { severity, confidence, occurrences: given.occurrences, source: report.source, mode: policy.mode };
  const actions = entriesOf(policy, rule?.actions ?? [], report, decision, facts);
  return {
    class: report.class,
    known_class: policy.classes.has(report.class),
    own_source: report.source === OWN_SOURCE,
    policy: { from: policy.from, sha256: policy.sha256, mode: policy.mode },
    ...{ rule: decided_by.rule, line: decided_by.line, auto_contain: rule?.auto_contain ?? false },
    ...{ severity, severity_from: decided_by.severity_from, escalated },
    facts: { ...given, confidence, escalate: rule?.escalate ?? null },
    ...{ actions, alert, suppressed, contained: containedBy(actions), dedupe: dedupeOf(policy, rule, report, given) },
    ...{ cooldown_ms, max_holds, gate },
  };
}

/** Each entry of the rule, in its order; what is wanted is found in the decision by action and target, as the decision itself does. */
function entriesOf(
  policy: Policy,
  entries: readonly RuleAction[],
  report: Report,
  { actions, proposed }: Decision,
  facts: Facts,
): ExplainedAction[] {
  const left = [...actions, ...proposed];
  return entries.map((entry) => {
    const { action, params, ttl_ms } = entry;
    const isHeld = !entry.if || holds(entry.if, facts);
    const target = targetOf(action, entry.target, report);
    const named = 'missing' in target ? null : target;
    const at = isHeld ? left.findIndex((wanted) => isFor(wanted, entry, named && targetName(named))) : -1;
    const [wanted = null] = at < 0 ? [] : left.splice(at, 1);
    return {
      action,
      outcome: wanted ? outcomeOf(wanted, actions.includes(wanted)) : isHeld ? 'came_second' : 'not_wanted',
      target: named && targetName(named),
      target_from: entry.target ?? rowOf(action).unless_told,
      ...{ params, ttl_ms, if: askedOf(entry.if, facts), approve: askedOf(entry.approve, facts) },
      ...{ approval: wanted?.approval ?? null, refused: wanted?.refused ?? null },
      protected: named ? protectionsOf(policy.protect, action, named).map(({ line, with_approval }) => ({ line, with_approval })) : [],
      ...{ actuator: whoIsAsked(actuatorOf(policy, action)), counts: countsOf(policy, entry, wanted) },
    };
  });
}

/** Two entries may differ in nothing but their ttl and params, which the decision hands on as they are. */
function isFor(wanted: Wanted, { action, params, ttl_ms }: RuleAction, target: string | null): boolean {
  const name = wanted.target && targetName(wanted.target);
  return wanted.action === action && name === target && wanted.params === params && wanted.ttl_ms === ttl_ms;
}

function outcomeOf({ refused, approval }: Wanted, isOrdered: boolean): Outcome {
  if (refused) return 'refused';
  if (!isOrdered) return 'proposed';
  return approval === null ? 'ordered' : 'awaiting_approval';
}

function askedOf(condition: Condition | null, facts: Facts): Asked | null {
  return condition && { text: condition.text, holds: holds(condition, facts) };
}

function whoIsAsked(actuator: Actuator | null): ExplainedAction['actuator'] {
  return actuator && { name: actuator.name, by: actuator.push ? 'push' : 'pull', deadline_ms: actuator.deadline_ms };
}

function countsOf(policy: Policy, { action }: RuleAction, wanted: Wanted | null): ExplainedAction['counts'] {
  if (isOurs(action)) return 'at_commit';
  if (wanted?.refused) return 'never';
  if (actuatorOf(policy, action)) return policy.contained_when;
  return policy.without_actuator === 'recorded' ? 'recorded' : 'never';
}

function containedBy(actions: readonly ExplainedAction[]): Explained['contained'] {
  // What is proposed and refused is refused again when an operator orders it: it is nothing of this decision.
  const ordered = actions.filter(({ outcome }) => outcome === 'ordered' || outcome === 'awaiting_approval' || outcome === 'refused');
  if (ordered.length === 0) return 'nothing_ordered';
  if (ordered.some(({ counts }) => counts === 'never')) return 'by_operator';
  const isDone = ({ outcome, counts }: ExplainedAction) => outcome === 'ordered' && (counts === 'at_commit' || counts === 'recorded');
  return ordered.every(isDone) ? 'at_once' : 'later';
}

function dedupeOf(policy: Policy, rule: Rule | null, report: Report, { reported_by }: Given): Explained['dedupe'] {
  const problem = problemOf(policy, report, reported_by ?? '');
  if (!problem) return null;
  const by = report.dedup_key === null ? (rule?.dedupe?.by ?? []) : ['source', 'dedup_key'];
  const isKnown = report.dedup_key !== null || reported_by !== null || !by.includes('reported_by');
  return { by, window_ms: problem.window_ms, key: isKnown ? problem.key : null };
}
