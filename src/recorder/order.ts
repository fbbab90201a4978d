// Ordering what was planned: each action becomes one owner of a hold, or is done at once, or is refused and said to be.

import { targetName } from '../incident/actions.ts';
import { type ActionState, isRefused } from '../incident/containment.ts';
import { type Hold, isWanted } from '../incident/hold.ts';
import type { Wanted } from '../policy/decide.ts';
import { doerOf, knownActuator } from '../policy/policy.ts';
import { approvedByOrder, requestApproval } from './approvals.ts';
import { type ForIncident, later, request, statusFor } from './commands.ts';
import type { Draft } from './draft.ts';
import { extendHold, move, openHold } from './holds.ts';
import type { OrderFor, Planned } from './plan.ts';

/** What failed for good is tried again when it is ordered anew, but not sooner after the last time than this. */
const TRY_AGAIN_MS = 30_000;

/** Makes what was planned true for incident `seq`, by its record `began`; `n` numbers its first action. */
export function carryOut(
  draft: Draft,
  orders: readonly Planned[],
  owner: { seq: number; id: string; actor: string; began: number; n: number },
  by: OrderFor,
): void {
  const waiting: { hold: Hold; ttl_ms: number | null; reason: string }[] = [];
  orders.forEach((order, i) => {
    const hold = holdFor(draft, order, owner, by);
    const { ttl_ms, wanted } = order;
    if (hold && !order.joins && hold.status === 'awaiting_approval') waiting.push({ hold, ttl_ms, reason: wanted.approval ?? '' });
    if (isRefused(order.state)) refuse(draft, order, owner);
    draft.incidents.setAction(owner.seq, owner.n + i, order.state, hold && hold.seq, owner.began);
  });
  if (waiting.length > 0) requestApproval(draft, waiting, owner, by.requested_by);
}

function holdFor(draft: Draft, order: Planned, owner: { id: string; actor: string }, { rule, source }: OrderFor): Hold | null {
  const { state, wanted, joins } = order;
  if (state.hold_id === null || wanted.target === null) return null;
  const by = { actor: owner.actor, incident_id: owner.id };
  if (joins) return join(draft, order, joins, by);
  const { action, target, params } = wanted;
  const status = state.status as 'recorded' | 'requested' | 'awaiting_approval';
  return openHold(
    draft,
    { id: state.hold_id, action, target, params, rule, source, status, actuator: state.actuator, ttl_ms: order.ttl_ms },
    by,
  );
}

/** One more owner. Its end moves out if this order wants it longer, and what was waiting or has failed may be commanded now. */
function join(draft: Draft, { wanted, state }: Planned, hold: Hold, by: ForIncident): Hold {
  extend(draft, wanted, hold, by);
  if (hold.status === 'awaiting_approval' && state.status !== hold.status) return free(draft, wanted, hold, by);
  if (hold.status === 'failed' && mayTryAgain(draft, hold)) request(draft, hold, 'apply', 'ordered', by, TRY_AGAIN_MS);
  return hold;
}

/** What waits for an approval is ordered without one now, of whoever does it now. */
function free(draft: Draft, { ttl_ms }: Wanted, hold: Hold, by: ForIncident): Hold {
  const actuator = doerOf(draft.policy, hold.action);
  const { hold: freed } = move(draft, hold, { to: { status: statusFor(actuator), actuator }, reason: 'ordered without approval', by });
  approvedByOrder(draft, freed, ttl_ms[0] ?? null, by);
  if (actuator !== null) request(draft, freed, 'apply', 'ordered', by);
  return freed;
}

/** The same for what an incident has ordered before, and wants without an approval now. */
export function freeOrdered(draft: Draft, wanted: readonly Wanted[], before: readonly ActionState[], by: ForIncident): void {
  for (const each of wanted) {
    const { approval, refused: why, action, target } = each;
    if (approval !== null || why || !target) continue;
    const ordered = before.find((known) => known.action === action && known.target === targetName(target));
    const hold = ordered?.status === 'awaiting_approval' && ordered.hold_id !== null ? draft.holds.byId(ordered.hold_id) : null;
    if (hold?.status === 'awaiting_approval') free(draft, each, hold, by);
  }
}

function extend(draft: Draft, wanted: Wanted, hold: Hold, by: ForIncident): void {
  if (hold.expires_at === null || !isWanted(hold.status)) return;
  const [ttl_ms = null] = wanted.ttl_ms;
  const expires_at = ttl_ms === null ? null : later(draft.now, ttl_ms);
  if (expires_at !== null && expires_at <= hold.expires_at) return;
  extendHold(draft, hold, expires_at, by);
}

/** Whether somebody can be asked, and is not being asked. */
function mayTryAgain(draft: Draft, { seq, actuator }: Hold): boolean {
  return knownActuator(draft.policy, actuator) !== null && draft.commands.openOf(seq).length === 0;
}

function refuse(draft: Draft, { state, refused: why }: Planned, owner: { seq: number; id: string; actor: string }): void {
  if (!why) throw new TypeError('it is refused without a reason');
  draft.record('action.refused', { id: owner.id, about: owner.seq }, owner.actor, { action: state.action, target: state.target, ...why });
}
