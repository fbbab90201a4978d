// An explained decision in sentences, for whoever reads it on a terminal. Pure.

import { ACTIONS, isAction } from '../incident/actions.ts';
import { durationOf } from './duration.ts';
import type { Explained, ExplainedAction } from './explain.ts';

/** One line each. What comes from the report is in them as it is: whoever shows them on a terminal escapes it. */
export function wordsOf(explained: Explained): string[] {
  const { known_class, own_source, class: className, suppressed, alert, actions } = explained;
  return [
    ...(known_class ? [] : [`the class ${className} is not known to this policy: such a report is refused`]),
    ...(own_source ? ['no token may report under this source: such a report is refused'] : []),
    ruleOf(explained),
    severityOf(explained),
    factsOf(explained),
    ...(suppressed ? ['mode: observe: nothing is ordered; what follows is what would be'] : []),
    ...(actions.length === 0 ? ['nothing is ordered and nothing proposed'] : actions.map(actionOf)),
    ...(alert && !actions.some(({ action, outcome }) => action === 'log_alert' && outcome === 'ordered') ? [ALERTED] : []),
    ...containedOf(explained),
    dedupeOf(explained),
    ...boundsOf(explained),
  ];
}

const ALERTED = 'log_alert is done for a new incident though it is only proposed: an alert commands nobody';

function ruleOf({ rule, class: className, line, auto_contain, policy }: Explained): string {
  const of = `policy ${policy.sha256.slice(0, 12)} (${policy.from === 'file' ? 'a file' : 'built in'}, mode: ${policy.mode})`;
  if (rule === null) return `${of} has no rule for ${className}`;
  return `${of}: rule ${rule}${line === null ? '' : ` in line ${line}`}, which ${auto_contain ? 'contains by itself' : 'only proposes'}`;
}

const SEVERITY_FROM: Record<Explained['severity_from'], string> = {
  reporter: 'as the reporter says',
  rule: 'the default of the rule',
  class: 'the default of the class',
  default: 'since nobody says anything else',
  floor: 'the min_severity of the rule',
  escalation: 'by escalation',
  recorder: 'as the recorder finds',
};

function severityOf({ severity, severity_from, escalated }: Explained): string {
  return `severity ${severity}, ${SEVERITY_FROM[severity_from]}${escalated ? ` (it was ${escalated.from})` : ''}`;
}

function factsOf({ facts: { occurrences, escalating, confidence, escalate } }: Explained): string {
  const told = `taken as report ${occurrences} of its incident, with confidence ${confidence}`;
  if (!escalate) return `${told}; ${escalating ? 'the rule escalates nothing, whatever was given' : 'the rule escalates nothing'}`;
  const measure = `${escalate.count} within ${durationOf(escalate.window_ms)}, which makes it at least ${escalate.to}`;
  return `${told}; ${escalating ? 'taken as' : 'not taken as'} one of ${measure}`;
}

function actionOf(entry: ExplainedAction): string {
  const { action, target, outcome, params } = entry;
  const given = Object.entries(params).map(([name, value]) => `${name} ${value}`);
  const what = `${action}${target === null ? '' : ` on ${target}`}${given.length > 0 ? ` (${given.join(', ')})` : ''}`;
  const conditions = [['if', entry.if] as const, ['approve', entry.approve] as const].flatMap(([kind, asked]) =>
    asked ? [`${kind} ${asked.text}: ${asked.holds ? 'holds' : 'does not hold'}`] : [],
  );
  const more = outcome === 'not_wanted' || outcome === 'came_second' || outcome === 'refused' ? [] : consequencesOf(entry);
  return [`${what}: ${outcomeOf(entry)}`, ...conditions, ...more].join('; ');
}

function outcomeOf({ outcome, approval, refused, target_from }: ExplainedAction): string {
  switch (outcome) {
    case 'ordered':
      return 'ordered';
    case 'awaiting_approval':
      return `waits for an operator's approval (${approval})`;
    case 'proposed':
      return 'proposed, for an operator to order';
    case 'refused':
      return `refused, ${refused?.reason === 'protected' ? 'protected by' : 'no target:'} ${refused?.detail}`;
    case 'not_wanted':
      return 'not wanted';
    case 'came_second':
      return `not wanted again: an entry before it does so on the same target (${target_from})`;
  }
}

/** Who does it, for how long, and what it takes to count. */
function consequencesOf({ action, actuator, counts, ttl_ms, protected: protections }: ExplainedAction): string[] {
  if (counts === 'at_commit') return ['done by the recorder with the report'];
  const [first, ...later] = ttl_ms.map(durationOf);
  const ladder = later.length > 0 ? ` (who comes again: ${later.join(', ')})` : '';
  return [
    actuator
      ? `asked of actuator ${actuator.name}, ${actuator.by === 'push' ? 'which is sent it' : 'which fetches it'}, within ${durationOf(actuator.deadline_ms)}`
      : `no actuator: recorded, and left to ${isAction(action) ? ACTIONS[action].done_by : 'its service'}`,
    counts === 'never' ? 'it never counts as contained' : `it counts as contained once ${counts}`,
    first === undefined ? 'until its incidents are resolved' : `for ${first}${ladder}`,
    ...protections.map(({ line }) => `protected by line ${line}, unless an operator approves it`),
  ];
}

const CONTAINED: Record<Explained['contained'], string> = {
  at_once: 'the incident is contained at once',
  later: 'the incident is contained when all that is ordered counts',
  by_operator: 'the incident stays open until an operator contains it: something is refused, or never counts',
  nothing_ordered: 'nothing is ordered: the incident stays open until an operator sees to it',
};

function containedOf({ contained }: Explained): string[] {
  return [CONTAINED[contained]];
}

function dedupeOf({ dedupe }: Explained): string {
  if (!dedupe) return 'each such report is an incident of its own';
  const { by, window_ms } = dedupe;
  const until = window_ms === null ? 'until it is resolved' : `while none is more than ${durationOf(window_ms)} after the last`;
  return `reports of this class with the same ${by.join(', ')} join it ${until}`;
}

function boundsOf({ rule, max_holds, cooldown_ms, gate }: Explained): string[] {
  if (rule === null) return [];
  return [
    `at most ${max_holds} live holds of this rule for one source`,
    ...(cooldown_ms > 0 ? [`at least ${durationOf(cooldown_ms)} between two commands for the same action and target`] : []),
    ...(gate.length > 0 ? [`it is resolved only when ${gate.join(' and ')}`] : []),
  ];
}
