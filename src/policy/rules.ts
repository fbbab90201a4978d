// Rules of a policy file: what a rule says in full, and a refusal of one that could never do what it says.

import { type ActionName, type ParamRow, isOurs, rowOf } from '../incident/actions.ts';
import type { Params } from '../incident/command.ts';
import { didYouMean } from '../input/text.ts';
import type { YamlFile } from '../input/yaml.ts';
import { canHold } from './condition.ts';
import { DURATION, parseDuration } from './duration.ts';
import { plainAction } from './plain-action.ts';
import type { Condition, Rule, RuleAction } from './policy.ts';
import type { PolicyFile, WrittenAction, WrittenRule } from './schema.ts';

type Refuse = YamlFile<PolicyFile>['refusal'];

/** @throws RecorderError "invalid_configuration" */
export function ruleOf(file: YamlFile<PolicyFile>, name: string, classes: ReadonlyMap<string, unknown>): Rule {
  const path = ['rules', name];
  const refuse: Refuse = (steps, detail) => file.refusal([...path, ...steps], detail);
  if (!classes.has(name)) throw refuse([], `is not a known class; add it under classes${didYouMean(name, classes.keys())}`);
  const written = file.value.rules[name] as WrittenRule;
  const { auto_contain, default_severity, min_severity, dedupe, escalate, cooldown, max_holds, release } = written;
  if (auto_contain && written.actions.length === 0) throw refuse(['auto_contain'], 'is true, but the rule has no actions');
  if (escalate?.to === 'low') throw refuse(['escalate', 'to'], 'is low: an escalation only ever raises');
  const gate = release?.gate ?? [];
  const twice = gate.findIndex((each, i) => gate.indexOf(each) !== i);
  if (twice >= 0) throw refuse(['release', 'gate', twice], `names ${gate[twice]} a second time`);
  const actions = written.actions.map((action, i) =>
    actionOf(action, gate.length > 0, (steps, detail) => refuse(['actions', i, ...steps], detail)),
  );
  refuseUnreachable(actions, min_severity ?? null, refuse);
  return {
    auto_contain,
    actions,
    default_severity: default_severity ?? null,
    min_severity: min_severity ?? null,
    dedupe: dedupe ? { by: dedupe.by, window_ms: dedupe.window } : null,
    escalate: escalate ? { count: escalate.count, window_ms: escalate.window, to: escalate.to } : null,
    cooldown_ms: cooldown ?? 0,
    max_holds,
    gate,
    line: file.lineOf(path),
  };
}

function actionOf(written: WrittenAction, isGated: boolean, refuse: Refuse): RuleAction {
  const { action, target = null, params = {}, ttl = [] } = written;
  const row = rowOf(action);
  if (target !== null && !row.may_tell.some((place) => target === place || target.startsWith(`${place}.`))) {
    const may =
      row.may_tell.length === 0
        ? `${action} is always done to all there is`
        : `${action} takes its ${row.targets.join(', ')} from the subject`;
    throw refuse(['target'], `must not be ${target.split('.', 1)[0]}: ${may}`);
  }
  if (ttl.length > 0 && isGated) throw refuse(['ttl'], 'does not go with release: what is to be shown first must not end by itself');
  if (ttl.length > 0 && row.release === null) {
    throw refuse(['ttl'], `does not go with ${action}, which cannot be undone by a command: its hold would end, and nothing with it`);
  }
  const step = ttl.findIndex((ms, i) => i > 0 && ms <= (ttl[i - 1] ?? 0));
  if (step >= 0) throw refuse(['ttl', step], 'does not rise: a repeated offender is held longer');
  if (written.approve && isOurs(action)) throw refuse(['approve'], `does not go with ${action}, which commands nobody`);
  return {
    action,
    target,
    params: paramsOf(action, params, (steps, detail) => refuse(['params', ...steps], detail)),
    ttl_ms: ttl,
    if: written.if ?? null,
    approve: written.approve ?? null,
  };
}

/** Of two entries for one action and target the first that holds is done; so one that stands behind it must be able to hold without it. */
function refuseUnreachable(actions: readonly RuleAction[], floor: Rule['min_severity'], refuse: Refuse): void {
  actions.forEach((each, i) => {
    const { action } = each;
    const earlier = actions.slice(0, i).filter((other) => other.action === action && placeOf(other) === placeOf(each));
    if (earlier.some((other) => other.if === null)) throw refuse(['actions', i], `names ${action} a second time`);
    const own = each.if ? [each.if] : [];
    const before = earlier.map((other) => other.if).filter((condition): condition is Condition => condition !== null);
    if (!canHold(own, [], floor)) throw refuse(['actions', i, 'if'], `can never hold${floor ? ` over the rule's min_severity` : ''}`);
    if (!canHold(own, before, floor)) throw refuse(['actions', i], `names ${action} a second time, and never comes first where it holds`);
    if (each.approve && !canHold([...own, each.approve], before, floor))
      throw refuse(['actions', i, 'approve'], 'can never hold where the action is ordered');
  });
}

function placeOf({ action, target }: RuleAction): string {
  return target ?? rowOf(action).unless_told;
}

/** Those that are given, over the defaults of the action's row. */
function paramsOf(action: ActionName, given: Readonly<Record<string, unknown>>, refuse: Refuse): Params {
  const rows = rowOf(action).params;
  const params: Record<string, Params[string]> = { ...plainAction(action).params };
  for (const [name, value] of Object.entries(given)) {
    const row = Object.hasOwn(rows, name) ? rows[name] : undefined;
    if (!row) throw refuse([name], `is no parameter of ${action}${didYouMean(name, Object.keys(rows))}`);
    const param = paramOf(row, value);
    if (typeof param === 'object') throw refuse([name], param.fault);
    params[name] = param;
  }
  return params;
}

function paramOf(row: ParamRow, value: unknown): string | number | { readonly fault: string } {
  if (row.kind === 'count') {
    const isIn = typeof value === 'number' && Number.isInteger(value) && value >= row.min && value <= row.max;
    return isIn ? value : { fault: `must be a whole number from ${row.min} to ${row.max}` };
  }
  const [min = 0, max = 0] = [row.min, row.max].map(parseDuration).map(Number);
  const ms = typeof value === 'string' ? parseDuration(value) : null;
  if (ms === null) return { fault: DURATION };
  return ms >= min && ms <= max && ms % 1000 === 0 ? `${ms / 1000}s` : { fault: `must be whole seconds, from ${row.min} to ${row.max}` };
}
