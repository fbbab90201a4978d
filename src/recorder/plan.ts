// What each action that a decision wants will become, as things stand. Reads, and writes nothing.

import { type Target, isOurs } from '../incident/actions.ts';
import type { ActionState } from '../incident/containment.ts';
import type { Events, OrderedAction } from '../incident/events.ts';
import type { Hold } from '../incident/hold.ts';
import { type Wanted, nameOf } from '../policy/decide.ts';
import { doerOf } from '../policy/policy.ts';
import { chance } from './chance.ts';
import { later, statusFor } from './commands.ts';
import type { Draft } from './draft.ts';

/** For whom something is ordered. */
export interface OrderFor {
  readonly rule: string;
  readonly source: string;
  readonly max_holds: number;
  /** The name of the token that reported it: it can never approve it. */
  readonly requested_by: string;
}

/** One action as it will be ordered; planned first, so that the report's own record can tell of it. */
export interface Planned {
  readonly wanted: Wanted;
  readonly state: ActionState;
  /** The live hold that it joins, or null. */
  readonly joins: Hold | null;
  /** Of a hold that is opened: how long it holds, in milliseconds; null = until its incidents are resolved. */
  readonly ttl_ms: number | null;
  /** The rest of what a hold is that is opened; null where there is none, or none but a recorded one. */
  readonly opens: OrderedAction['opens'] | null;
  /** Why it is refused, as its record tells it. */
  readonly refused: Pick<Events['action.refused'], 'reason' | 'limit' | 'detail'> | null;
}

/** Reads what stands already and says what each wanted action will become. Writes nothing. */
export function plan(draft: Draft, wanted: readonly Wanted[], { rule, source, max_holds }: OrderFor): Planned[] {
  let room: number | null = null;
  return wanted.map((each) => {
    const { action, target } = each;
    if (isOurs(action)) return planned(draft, each, { status: 'verified' });
    if (each.refused) return refused(draft, each, each.refused);
    if (target === null) throw new TypeError(`${action} has no target and is not refused`);
    const joins = draft.holds.live(action, target);
    if (joins) return planned(draft, each, joinedState(draft, each, joins), joins);
    room ??= max_holds - draft.holds.count(rule, source, max_holds);
    if (room <= 0) return refused(draft, each, { reason: 'limit', limit: max_holds });
    room -= 1;
    const actuator = doerOf(draft.policy, action);
    const status = each.approval !== null ? 'awaiting_approval' : statusFor(actuator);
    return opened(draft, each, { status, actuator }, ttlOf(draft, each, target));
  });
}

function opened(
  draft: Draft,
  wanted: Wanted,
  { status, actuator }: Pick<ActionState, 'status' | 'actuator'>,
  ttl_ms: number | null,
): Planned {
  const { params } = wanted;
  const expires_at = ttl_ms === null || status === 'awaiting_approval' ? null : later(draft.now, ttl_ms);
  const isPlain = actuator === null && expires_at === null && Object.keys(params).length === 0;
  const order = planned(draft, wanted, { status, hold_id: `HLD-${chance()}`, actuator });
  return { ...order, ttl_ms, opens: isPlain ? null : { params, actuator, expires_at } };
}

/** The next step of its ladder: the first for who was never held by this action, the last for whoever has come to its end. */
function ttlOf(draft: Draft, { action, ttl_ms }: Wanted, target: Target): number | null {
  if (ttl_ms.length <= 1) return ttl_ms[0] ?? null;
  return ttl_ms[Math.min(draft.holds.past(action, target, ttl_ms.length).count, ttl_ms.length - 1)] ?? null;
}

/** What waits for an approval that this order does not need is commanded with it. */
function joinedState(draft: Draft, { approval, action }: Wanted, hold: Hold): Becomes {
  const { id: hold_id, status, actuator, attempts, error, completed_at } = hold;
  if (status !== 'awaiting_approval' || approval !== null) return { status, hold_id, actuator, attempts, error, completed_at };
  const now = doerOf(draft.policy, action);
  return { status: statusFor(now), hold_id, actuator: now, attempts, error, completed_at };
}

type Becomes = Partial<Omit<ActionState, 'action' | 'target'>> & Pick<ActionState, 'status'>;

function planned(draft: Draft, wanted: Wanted, becomes: Becomes, joins: Hold | null = null): Planned {
  const { status, hold_id = null, actuator = null, attempts = 0, error = null } = becomes;
  const { completed_at = hold_id === null ? draft.now : null } = becomes;
  const state = { action: wanted.action, target: nameOf(wanted), hold_id, actuator, attempts, error, completed_at, status };
  return { wanted, joins, state, ttl_ms: null, opens: null, refused: null };
}

function refused(draft: Draft, wanted: Wanted, why: NonNullable<Planned['refused']>): Planned {
  const error =
    why.reason === 'limit' ? `limit: the rule has ${why.limit} live holds for this source` : `${WORDS[why.reason]}: ${why.detail}`;
  return { ...planned(draft, wanted, { status: 'failed', error }), refused: why };
}

const WORDS = { protected: 'protected', no_target: 'no target' } as const;

/** True of what the recorder has done itself at commit: an alert. */
export function isDoneByUs({ status, hold_id }: ActionState): boolean {
  return status === 'verified' && hold_id === null;
}

/** What an order is told as in the audit log. */
export function told(orders: readonly Planned[]): OrderedAction[] {
  return orders.map(({ joins, opens, state: { action, target, hold_id, status, error, actuator, attempts, completed_at } }) => ({
    ...{ action, target, hold_id, status, error },
    ...(joins ? { joined: { actuator, attempts, completed_at } } : {}),
    ...(opens && { opens }),
  }));
}
