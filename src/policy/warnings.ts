// What is written in a policy as it may be, and is yet seldom meant. Pure.

import { type ActionName, isOurs } from '../incident/actions.ts';
import { type Policy, actuatorOf } from './policy.ts';

export interface Warning {
  /** The line (from 1) that it is about; null where it is about what is not there. */
  readonly line: number | null;
  /** A sentence without its end. */
  readonly text: string;
}

/** In the order of the file, as far as they have a place in it. */
export function warningsOf(policy: Policy): Warning[] {
  const warnings = [
    ...modeOf(policy),
    ...classesWithout(policy),
    ...actionsWithout(policy),
    ...actuatorsUnused(policy),
    ...unsigned(policy),
  ];
  return warnings.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0));
}

function modeOf({ mode, without_actuator, actuators }: Policy): Warning[] {
  const said = [
    ...(mode === 'observe' ? ['mode is observe: no rule orders anything'] : []),
    ...(without_actuator === 'never' && actuators.size === 0
      ? ['without_actuator is never, and there is no actuator: what a rule orders never counts as contained']
      : []),
  ];
  return said.map((text) => ({ line: null, text }));
}

function classesWithout({ classes, rules }: Policy): Warning[] {
  return [...classes]
    .filter(([name]) => !rules.has(name))
    .map(([name, severity]) => ({
      line: null,
      text: `${name} has no rule: nothing is contained, and it is ${severity ?? 'medium'} unless its reporter says more`,
    }));
}

/** Where others have one: without any the services are left to look for themselves, which is another way to run it. */
function actionsWithout(policy: Policy): Warning[] {
  if (policy.actuators.size === 0) return [];
  const told = new Set<ActionName>();
  return [...policy.rules].flatMap(([name, { actions, line }]) =>
    actions.flatMap(({ action }) => {
      if (told.has(action) || isOurs(action) || actuatorOf(policy, action)) return [];
      told.add(action);
      const counts =
        policy.without_actuator === 'recorded'
          ? 'it is recorded, counts as contained, and nobody is asked'
          : 'it never counts as contained';
      return [{ line, text: `${action} of rule ${name} has no actuator, while others have: ${counts}` }];
    }),
  );
}

function actuatorsUnused({ actuators, rules }: Policy): Warning[] {
  const used = new Set([...rules.values()].flatMap(({ actions }) => actions.map(({ action }) => action)));
  return [...actuators.values()]
    .filter(({ actions }) => !actions.some((action) => used.has(action)))
    .map(({ name, actions }) => ({ line: null, text: `actuator ${name} is never asked: no rule has ${actions.join(' or ')}` }));
}

function unsigned({ webhooks }: Policy): Warning[] {
  return webhooks
    .map(({ secret }, i) => ({ secret, n: i + 1 }))
    .filter(({ secret }) => secret === null)
    .map(({ n }) => ({ line: null, text: `webhook ${n} has no secret: who listens there cannot know that it is told by us` }));
}
