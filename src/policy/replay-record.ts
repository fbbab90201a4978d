// How it was: what a record tells of the decision that was made then. Pure.

import { isRefused } from '../incident/containment.ts';
import type { Recorded } from '../incident/recorded.ts';
import { wordFor } from './replay-memory.ts';
import type { Fate, Order } from './replay-tally.ts';

/** A record of a report: what was sent, by whom, and what was decided about it. */
export type Reported = Extract<Recorded, { type: 'incident.reported' | 'incident.joined' }>;
type Ordered = Reported['data']['actions'][number];

/** @param target `type:id` */
export function keyOf(action: string, target: string): string {
  return `${action} ${wordFor(target)}`;
}

/** What the record tells was ordered by it. A report that joined ordered only what its incident had not ordered yet. */
export function fateOf({ type, data }: Reported): Fate {
  const orders = data.actions.map((action): Order => ({ action: action.action, target: action.target, as: asTold(action) }));
  const how = type === 'incident.reported' ? 'new' : 'joined';
  const isAlerted = how === 'new' && data.proposed_actions.includes(ALERT.action);
  return { how, severity: data.severity, orders: isAlerted ? [...orders, ALERT] : orders };
}

/** The alert of a new incident is raised also where nothing is ordered. */
export const ALERT: Order = { action: 'log_alert', target: 'host:*', as: 'ordered' };

function asTold(action: Ordered): Order['as'] {
  if (isRefused(action)) return reasonOf(action.error ?? '');
  return action.status === 'awaiting_approval' ? 'approval' : 'ordered';
}

/** As the recorder words a refusal. */
function reasonOf(error: string): 'limit' | 'protected' | 'no_target' {
  if (error.startsWith('protected')) return 'protected';
  return error.startsWith('no target') ? 'no_target' : 'limit';
}
