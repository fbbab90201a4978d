// An action as a rule orders it by its name alone: on the target that its row looks for, with the row's own parameters.

import { type ActionName, rowOf } from '../incident/actions.ts';
import type { RuleAction } from './policy.ts';

export function plainAction(action: ActionName): RuleAction {
  const params = Object.fromEntries(Object.entries(rowOf(action).params).map(([name, row]) => [name, row.default]));
  return { action, target: null, params, ttl_ms: [], if: null, approve: null };
}
